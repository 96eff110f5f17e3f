ALTER TABLE "posts" DROP COLUMN "legacy";
ALTER TABLE "users" RENAME "nickname" TO "handle";
