"""Prompts: captions of digits, and the tokenizer that turns any text into numbers."""

from minisd.text.captions import (
    Caption,
    CaptionError,
    all_captions,
    caption_text,
    in_english,
    parse_caption,
    phrases,
    random_caption,
    unknown_words,
)
from minisd.text.tokenizer import TokenBatch, Tokenizer, TokenizerError

__all__ = [
    "Caption",
    "CaptionError",
    "TokenBatch",
    "Tokenizer",
    "TokenizerError",
    "all_captions",
    "caption_text",
    "in_english",
    "parse_caption",
    "phrases",
    "random_caption",
    "unknown_words",
]
