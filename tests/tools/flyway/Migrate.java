import java.util.Map;
import org.flywaydb.core.Flyway;

/** What flyway migrate and Spring Boot do. */
class Migrate {
    public static void main(String[] arguments) {
        String transactional = String.valueOf(!arguments[2].equals("session"));
        Flyway.configure()
                .dataSource(arguments[0], arguments[1], "")
                .locations("filesystem:migrations")
                .configuration(Map.of("flyway.postgresql.transactional.lock", transactional))
                .load()
                .migrate();
    }
}
