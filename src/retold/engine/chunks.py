"""Token stream to speakable chunks: the first as early as it sounds right, the later ones whole sentences. Pure."""

import re
from dataclasses import dataclass

MIN_FIRST_WORDS = 3
"""A first chunk may end at a comma when it has this many words; sooner sounds chopped."""
MAX_CHUNK_CHARS = 400
"""A text without any punctuation is cut at white space here, so that speech starts some time."""

_ABBREVIATIONS = frozenset(
    {"dr", "mr", "mrs", "ms", "st", "prof", "no", "vs", "e.g", "i.e", "a.m", "p.m", "approx", "dept", "ext"}
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)|\n[^\S\n]*\n")
"""Punctuation, or the end of a paragraph."""
_CLAUSE_END = re.compile(r"[,;:\u2013\u2014](?=\s)")
_LAST_WORD = re.compile(r"([\w.]+)[.!?…]+[\"')\]]*$")


@dataclass(slots=True)
class Chunker:
    """Collects the text of one reply and gives it back in speakable pieces; white space at the seams is dropped."""

    _text: str = ""
    _has_given: bool = False

    def feed(self, text: str) -> list[str]:
        """Add text; returns the chunks that are now complete."""
        self._text += text
        chunks: list[str] = []
        while (end := self._boundary()) is not None:
            self._take(end, chunks)
        return chunks

    def flush(self) -> list[str]:
        """No more text follows: the rest, if there is any."""
        chunks: list[str] = []
        self._take(len(self._text), chunks)
        return chunks

    def _take(self, end: int, chunks: list[str]) -> None:
        chunk, self._text = self._text[:end].strip(), self._text[end:].lstrip()
        if chunk:
            chunks.append(chunk)
            self._has_given = True

    def _boundary(self) -> int | None:
        for match in _SENTENCE_END.finditer(self._text[: MAX_CHUNK_CHARS + 1]):
            if match.end() <= MAX_CHUNK_CHARS and self._ends_sentence(match.end()):
                return match.end()
        if not self._has_given:
            for match in _CLAUSE_END.finditer(self._text[: MAX_CHUNK_CHARS + 1]):
                if len(self._text[: match.end()].split()) >= MIN_FIRST_WORDS:
                    return match.end()
        if len(self._text) > MAX_CHUNK_CHARS:
            space = self._text.rfind(" ", 0, MAX_CHUNK_CHARS)
            return space if space > 0 else MAX_CHUNK_CHARS
        return None

    def _ends_sentence(self, end: int) -> bool:
        """Not at abbreviations, and not at a number's point that may turn out to be a decimal."""
        last = _LAST_WORD.search(self._text[:end])
        if last is None:
            return True
        word = last.group(1).rstrip(".")
        if word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "I"):
            return False
        return not (end == len(self._text) and word[-1:].isdigit())
