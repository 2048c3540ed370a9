#!/usr/bin/env python3
"""Computes token ids by transformers' CLIPTokenizer, for tests/tokenizer: clip_tokens.json, with the vocabulary of CLIP,
and the folders small*, with one of few merges.

    python3 -m venv v && v/bin/pip install transformers==5.24.0 tokenizers==0.23.3
    v/bin/python tests/golden/clip_tokens.py

Continuous integration does not run it."""

import gzip
import json
import pathlib
import shutil
import tempfile

from transformers import CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests/tokenizer"
STRINGS = 4000
START, END = "<|startoftext|>", "<|endoftext|>"

# Texts whose ids are stored whole.
TEXTS = [
    "", "a photo of a cat", "A Photo Of A CAT!!", "an astronaut riding a horse on mars, 4k, highly detailed",
    "  leading   and\ttrailing\n whitespace  ", "don't you'll he's I'm we've they'd you're it's", "DON'T WE'LL",
    "rock 'n' roll 'tis 'twas", "don\u2019t curly", "2023 was 1,234.56% of 10x10 and 3rd", "½ ² Ⅷ ٣ 五 ①",
    "café naïve résumé", "ÀÉÎÕÜ ß ẞ", "İstanbul ISTANBUL ı", "ΟΔΥΣΣΕΎΣ", "Привет, мир", "你好世界", "cat 猫 dog犬",
    "こんにちは カタカナ", "안녕하세요", "مرحبا بالعالم", "😀", "a 👩\u200d👩\u200d👧\u200d👦 family 🇫🇷 flag 👍🏽", "❤\ufe0f ★ ☃",
    "fi ﬂ ﬀ ligatures", "ＦＵＬＬ\u3000ｗｉｄｔｈ", "non\u00a0breaking\u2003em\u200bzero\u3000ideographic",
    "soft\u00adhyphen \ufeffbom \u2028ls", "ctrl\x00\x01\x07\x1b[0m\x7f\x85\x1c", "&amp; &lt;b&gt;",
    f"{START}hello{END} world", f"{START.upper()} <|EndOfText|>", "supercalifragilisticexpialidocious", "a" * 120,
    "pneumonoultramicroscopicsilicovolcanoconiosis", "!!!???...---___***", "a-b_c.d/e\\f|g~h`i^j",
    "(masterpiece:1.2), [bad], {x}", "C++ C# .NET", "#hashtag @user $5 €5 £5 ¥5", "\u0301\u0308 lone combining",
    "Ångström \u212b", "'s 't 're", "''s '''t", "ＡＢＣ１２３", "ǅ ǲ", f"!!<|EndOfText|>!! x{START.title()}y",
]

PHRASES = [
    "a photo of a cat", "Highly Detailed", "4k", "artstation", "don't", "WE'LL", "it's", "'re", "''ve", "<|endoftext|>",
    "<|STARTOFTEXT|>", "<|EndOfText|>", "<|startoftext|>!!", "!!", "...", ",", " ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u200b",
    "e\u0301", "A\u030a", "\u1e9b\u0323", "\u1112\u1161\u11ab", "\u212b", "ﬁ", "ß", "İ", "ΣΑΣ", "1234", "½", "(x:1.3)", "[y]",
    "http://a.b/c?d=e", "#tag", "😀", "👍🏽", "🇫🇷", "❤\ufe0f", "\x00", "\x7f", "\x85", "\ufeff", "|>", "<|",
]
# First and last code point; the last two are everything but surrogates.
BLOCKS = [
    (0x21, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x530, 0x6FF), (0x900, 0xDFF), (0xE00, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF),
    (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFF), (0x1F300, 0x1FAFF), (0x1D400, 0x1D7FF),
    (0x300, 0x345), (0x1, 0xD7FF), (0xE000, 0x10FFFF),
]


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = self.state + 0x9E3779B97F4A7C15 & 2**64 - 1
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
        z = (z ^ z >> 27) * 0x94D049BB133111EB & 2**64 - 1
        return (z ^ z >> 31) % bound


def text_of(seed):
    """tests/tokenizer/clip_tokenizer_test.cpp makes the same."""
    random, text = Random(seed), ""
    for _ in range(1 + random.below(10)):
        kind = random.below(3)
        if kind == 0:
            text += PHRASES[random.below(len(PHRASES))]
        else:
            first, last = BLOCKS[random.below(len(BLOCKS))]
            for _ in range(1 + random.below(8)):
                text += chr(first + random.below(last - first + 1))
                if random.below(4) == 0:
                    text += " "
    return text


def fnv1a(ids):
    h = 0x811C9DC5
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def added(content, normalized):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0 if isinstance(value, dict) else None) + "\n", encoding="utf-8")


def write_vocabulary(folder, merges):
    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = [chr(c) for c in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    pieces = characters + [c + "</w>" for c in characters] + ["".join(m.split(" ")) for m in merges] + [START, END]
    write(folder / "vocab.json", {piece: i for i, piece in enumerate(pieces)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(m + "\n" for m in merges), encoding="utf-8")


def name_tokens(folder, pad):
    """The other files of published folders."""
    named = {"bos_token": added(START, True), "eos_token": added(END, True), "pad_token": pad, "unk_token": added(END, True)}
    write(folder / "special_tokens_map.json", named)
    write(folder / "tokenizer_config.json", {**named, "pad_token": END, "tokenizer_class": "CLIPTokenizer"})


def ids(tokenizer, text):
    return tokenizer(text).input_ids[1:-1]


def main():
    merges = gzip.decompress((ROOT / "src/tokenizer/embedded/merges.txt.gz").read_bytes()).decode().splitlines()
    with tempfile.TemporaryDirectory() as temporary:
        result = {"texts": TEXTS, "phrases": PHRASES, "blocks": BLOCKS}
        for key, pad in (("end", END), ("exclamation", "!")):
            folder = pathlib.Path(temporary) / key
            write_vocabulary(folder, merges)
            name_tokens(folder, pad)
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            result[key] = [ids(tokenizer, text) for text in TEXTS]
            result[key + "_hashes"] = [fnv1a(ids(tokenizer, text_of(seed))) for seed in range(STRINGS)]
        (TESTS / "clip_tokens.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")

    expected = {}
    for name, pad in (("small", END), ("small_exclamation", "!")):
        write_vocabulary(TESTS / name, merges[:40])
        name_tokens(TESTS / name, pad)
        tokenizer = CLIPTokenizer.from_pretrained(TESTS / name)
        expected[name] = [ids(tokenizer, text) for text in TEXTS]
        tokenizer.add_tokens(["<cat-toy>"])
        tokenizer.save_pretrained(TESTS / (name + "_json"))
        tokenizer = CLIPTokenizer.from_pretrained(TESTS / (name + "_json"))
        expected[name + "_json"] = [ids(tokenizer, text) for text in TEXTS + ["a <cat-toy>!"]]
    shutil.copytree(TESTS / "small", TESTS / "small_decoder", dirs_exist_ok=True)
    (TESTS / "small_decoder/special_tokens_map.json").unlink()
    write(TESTS / "small_decoder/tokenizer_config.json", {
        "added_tokens_decoder": {"552": {**added(START, True), "special": True}, "553": {**added(END, True), "special": True}},
        "bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END, "tokenizer_class": "CLIPTokenizer"})
    expected["small_decoder"] = [ids(CLIPTokenizer.from_pretrained(TESTS / "small_decoder"), text) for text in TEXTS]
    (TESTS / "small_tokens.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
