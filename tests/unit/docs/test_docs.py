"""What the documents say of the code is what the code says."""

import re
import subprocess
import sys

from auditsvc.auth.roles import PERMISSIONS, ROLES
from tests.support.documents import PAGES, ROOT

LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def test_reference_pages_equal_the_code() -> None:
    done = subprocess.run([sys.executable, "tools/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + "run: python tools/reference.py"


def test_the_table_of_permissions_is_that_of_the_roles() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = page.partition("<!-- permissions:begin -->\n")[2].partition("<!-- permissions:end -->")[0].splitlines()
    head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]
    assert head[1:] == [info.en for info in ROLES.values()]
    held = {row[0]: [cell == "yes" for cell in row[1:]] for row in rows}
    assert held == {name: [name in info.permissions for info in ROLES.values()] for name in PERMISSIONS}


def test_links_between_documents_resolve() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken, "\n".join(broken)


def test_every_page_is_linked_from_the_readme_or_a_page_it_links() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / target).resolve() for target in LINK.findall(page.read_text(encoding="utf-8"))]
    decisions = {page for page in PAGES if page.parent.name == "adr"}
    assert set(PAGES) - decisions <= reached


def test_the_readme_fits_one_hundred_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_decisions_are_numbered_without_gaps_and_have_a_status() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert re.search(r"^(- )?\**Status", record.read_text(encoding="utf-8"), re.MULTILINE), record.name


def test_every_word_of_the_glossary_has_both_languages() -> None:
    rows = [
        line
        for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    words = rows[1:]
    assert len(words) >= 25
    for row in words:
        term, chinese, meaning = (cell.strip() for cell in row.strip("|").split("|"))
        assert term
        assert meaning
        assert re.search(r"[\u4e00-\u9fff]", chinese), row
