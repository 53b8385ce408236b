"""Every text people see has a Chinese translation, and no translation is left over."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations_tool", ROOT / "tools" / "translations.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_text_is_missing_empty_left_over_or_with_other_placeholders() -> None:
    problems = load_tool().check()
    assert not problems, "\n".join(problems) + "\nrun: python tools/translations.py update, then translate"


def test_the_extraction_sees_templates_and_code() -> None:
    texts = {message.id for message in load_tool().extract() if message.id}
    assert {"Sign in", "Critical", "You are signed out."} <= texts
    assert len(texts) > 200
