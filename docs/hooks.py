"""For mkdocs: links that lead out of docs/ go to the repository, the tools get their menu, the rules' pages become one page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://example.com/interlock/blob/main/"  # where the sources are shown


def on_config(config: Any) -> Any:
    tools = sorted(path.name for path in (ROOT / "docs/tools").glob("*.md") if path.name != "index.md")
    for entry in config["nav"]:
        if "Your tool" in entry:
            entry["Your tool"] += [f"tools/{name}" for name in tools]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = (ROOT / "docs" / page.file.src_path).parent

    def outside(found: re.Match[str]) -> str:
        target, anchor = found[2], found[3] or ""
        path = (here / target).resolve()
        if path.is_relative_to(ROOT / "docs") and path.suffix == ".md":
            return found[0]
        if path.is_relative_to(ROOT / "docs/images"):
            return found[0]
        return f"]({REPOSITORY}{path.relative_to(ROOT)}{anchor})"

    markdown = re.sub(r"(\]\()(?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)", outside, markdown)
    return markdown.replace("<!-- rules -->", _rules()) if page.file.src_path == "rules.md" else markdown


def _rules() -> str:
    """Each page one heading lower, by name."""
    pages = sorted((ROOT / "proxy/rules").glob("*.md"))
    # The words behind a fence's language are for the tests.
    text = "\n\n".join(re.sub(r"^(#+)(?= )", r"#\1", path.read_text("utf-8"), flags=re.MULTILINE) for path in pages)
    text = re.sub(r"^( *```\w+) .*$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"\]\((\w+)\.md\)", lambda found: f"](#{found[1].replace('_', '-')})", text)
