"""A text in the two languages of the product."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One text in Chinese and English."""

    zh: str
    en: str

    def get(self, language: str) -> str:
        """Return the Chinese text for ``zh`` and every ``zh-…``, else the English one."""
        return self.zh if language.startswith("zh") else self.en
