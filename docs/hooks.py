"""For mkdocs: what docs/ links to outside of itself comes with the site, the tools get their menu, the rules' pages become one page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    tools = sorted(path.name for path in (DOCS / "tools").glob("*.md") if path.name != "index.md")
    for entry in config["nav"]:
        if "Your tool" in entry:
            entry["Your tool"] += [f"tools/{name}" for name in tools]
    return config


def on_files(files: Any, config: Any) -> Any:
    """A page for each file and folder outside docs/ that a page links to."""
    for path in sorted({path for page in DOCS.rglob("*.md") for path in _linked(page) if _is_outside(path)}):
        files.append(File.generated(config, _place(path), content=_shown(path), inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    if page.file.generated_by is not None:
        return markdown
    markdown = _relinked(markdown, DOCS / page.file.src_path, page.file.src_path)
    return markdown.replace("<!-- rules -->", _rules()) if page.file.src_path == "rules.md" else markdown


def _linked(page: Path) -> list[Path]:
    return [(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text("utf-8"))]


def _is_outside(path: Path) -> bool:
    return not path.is_relative_to(DOCS) and not _is_rule(path)


def _is_rule(path: Path) -> bool:
    return path.parent == ROOT / "proxy/rules" and path.suffix == ".md"


def _place(path: Path) -> str:
    """Where the page about a file or a folder is in the site."""
    return f"files/{path.relative_to(ROOT).as_posix().removesuffix('.md')}.md"


def _relinked(markdown: str, source: Path, place: str) -> str:
    """With the links of ``source`` as they are to be at ``place``."""

    def to(found: re.Match[str]) -> str:
        path, anchor = (source.parent / found[1]).resolve(), found[2] or ""
        if path.is_relative_to(DOCS):
            target = path.relative_to(DOCS).as_posix()
        elif _is_rule(path):
            target, anchor = "rules.md", f"#{path.stem.replace('_', '-')}"
        else:
            target = _place(path)
        return f"]({os.path.relpath(target, os.path.dirname(place) or '.')}{anchor})"

    return LINK.sub(to, markdown)


def _shown(path: Path) -> str:
    """A page as it is, anything else as it stands in its file; of a folder, all of it."""
    if path.suffix == ".md":
        return _relinked(path.read_text("utf-8"), path, _place(path))
    parts = [f"# {path.relative_to(ROOT).as_posix()}"]
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            heading = f"## {file.relative_to(path).as_posix()}\n\n" if path.is_dir() else ""
            parts.append(f"{heading}````{file.suffix[1:] or 'text'}\n{file.read_text('utf-8')}\n````")
    return "\n\n".join(parts) + "\n"


def _rules() -> str:
    """Each page one heading lower, by name."""
    pages = sorted((ROOT / "proxy/rules").glob("*.md"))
    # The words behind a fence's language are for the tests.
    text = "\n\n".join(re.sub(r"^(#+)(?= )", r"#\1", path.read_text("utf-8"), flags=re.MULTILINE) for path in pages)
    text = re.sub(r"^( *```\w+) .*$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"\]\((\w+)\.md\)", lambda found: f"](#{found[1].replace('_', '-')})", text)
