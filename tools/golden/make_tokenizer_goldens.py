#!/usr/bin/env python3
"""Makes src/text/testdata/: tiny tokenizers of every type, trained here, and golden ids of Hugging Face and llama.cpp.

Needs the PyPI packages tokenizers, gguf and llama-cpp-python. For the tokenizers of ../shared/tokenizers only goldens are
written; the test reads the tokenizers themselves from there. A golden file is a list of {"text", "ids", "with_special",
"decoded", "decoded_skip"}; the last two are Hugging Face's decode of with_special.
"""
import importlib.util
import json
import os
import random
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "src/text/testdata")
spec = importlib.util.spec_from_file_location("fuzz", os.path.join(ROOT, "tools/fuzz_tokenizer.py"))
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)

TEXT = """The tokenizer splits text into pieces and merges pairs of bytes, the most frequent first. It's used by every model;
we'll train a small one here, and they've never seen so little text. I'd say that's fine: it isn't meant to be good.
int main(int argc, char** argv) { for (int i = 0; i < 1000; ++i) { printf("%d\\n", i * 2024); } return 0; }
def encode(self, text): return [self.vocab[piece] for piece in self.split(text) if piece in self.vocab]
人工智能正在改变世界。人工智能模型把文字切分成词元，然后预测下一个词元。世界很大，模型很小。
日本語のテキストもあります。カタカナとひらがな、そして漢字。 Größe, naïve café, señor, Москва, привет, мир.
2024 3.14159 1,000,000 100% 12:30 e\u0301le\u0300ve 한국어 텍스트 😀😀🎉
"""
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]


def split(regex, behavior="isolated"):
    return pre_tokenizers.Split(Regex(regex), behavior)


def byte_level(pre, vocab=420, specials=("<|endoftext|>",), **model):
    t = Tokenizer(models.BPE(**model))
    t.pre_tokenizer = pre_tokenizers.Sequence(pre)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT.split("\n"), trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=list(specials), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return t


LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def gpt2():
    t = byte_level([pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def smollm():
    return byte_level([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


def llama3():
    t = byte_level([split(CL100K % "{1,3}"), LEVEL], specials=["<|begin_of_text|>", "<|eot_id|>"], ignore_merges=True)
    # Tokens that merging cannot make, as Llama 3 has them.
    doc = json.loads(t.to_str())
    for token in ("Ġtokenizers", "Ġwe'll", "zzzz"):
        doc["model"]["vocab"][token] = len(doc["model"]["vocab"])
    t = Tokenizer.from_str(json.dumps(doc))
    bos = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", bos)])])
    return t


def qwen2():
    t = byte_level([split(CL100K % ""), LEVEL], specials=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.normalizer = normalizers.NFC()
    t.add_tokens([AddedToken("<think>", normalized=False), AddedToken("Ångström", normalized=True)])
    return t


def deepseek():
    t = byte_level([split(r) for r in DEEPSEEK] + [LEVEL], specials=["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"])
    t.normalizer = normalizers.Sequence([])
    t.add_tokens([AddedToken("<｜User｜>", normalized=True), AddedToken("<｜Assistant｜>", normalized=True)])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def tekken():
    return byte_level([split(TEKKEN), LEVEL], specials=["<s>", "</s>"])


def flags():
    """Added-token flags, prefix space, and Split behaviours."""
    t = byte_level([split(r"[aeiou]+", "merged_with_previous"), split("t", "contiguous"), split(r"\s*-\s*", "merged_with_next"),
                    split(r"(?=o)"), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    t.normalizer = normalizers.Sequence([normalizers.Replace(Regex(r"\d{3,}"), "#"), normalizers.Strip()])
    t.add_tokens([AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
                  AddedToken("<both>", lstrip=True, rstrip=True, normalized=False), AddedToken("word", single_word=True),
                  AddedToken("<", normalized=False), AddedToken("12345", normalized=True)])
    return t


def spm(prepend):
    """Llama 2 (legacy normalizers) or newer Mistral (Metaspace): byte fallback, trained then given byte tokens."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    marked = [line.replace(" ", "▁") for line in TEXT.split("\n")]
    t.pre_tokenizer = pre_tokenizers.Split(Regex("(?<=[^▁])(?=▁)"), "isolated")
    specials = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    t.train_from_iterator(["▁" + line for line in marked], trainers.BpeTrainer(
        vocab_size=640, special_tokens=specials, limit_alphabet=80, show_progress=False))
    doc = json.loads(t.to_str())
    doc["added_tokens"] = [a for a in doc["added_tokens"] if a["id"] < 3]
    doc["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(doc))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    t.decoder = decoders.Sequence(steps)
    if prepend:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.add_tokens([AddedToken("<extra>", normalized=True)])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def metaspace():
    t = spm(False)
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always", split=True)
    t.decoder = decoders.Metaspace("▁", "always", split=True)
    return t


def write(name, value):
    path = os.path.join(OUT, name)
    with open(path, "w", encoding="utf-8") as f:
        if isinstance(value, list):  # one case a line
            f.write("[\n" + ",\n".join(json.dumps(v, ensure_ascii=True) for v in value) + "\n]\n")
        else:
            json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
    print(name, os.path.getsize(path), "bytes")


def texts(seed, count, added):
    rng = random.Random(seed)
    points = fuzz.scalars()
    fixed = ["", " ", "Hello, world!", "  two  spaces ", "\n\n  \n x", "I'll we'LL they'ſ 's", TEXT]
    return fixed + [fuzz.document(rng, points, added)[:400] for _ in range(count)]


def cases(t, seed, count):
    added = sorted(a.content for a in t.get_added_tokens_decoder().values())
    out = []
    for text in texts(seed, count, added[:40]):
        ids = t.encode(text, add_special_tokens=False).ids
        full = t.encode(text).ids
        out.append({"text": text, "ids": ids, "with_special": full, "decoded": t.decode(full, skip_special_tokens=False),
                    "decoded_skip": t.decode(full, skip_special_tokens=True)})
    return out


def gguf_spm():
    """A "llama" vocabulary as GGUF fields, with equal scores among them, and llama.cpp's ids."""
    import gguf
    import llama_cpp
    t = spm(True)
    vocab = sorted(((i, w) for w, i in t.get_vocab().items() if i < 640))
    tokens = [w for _, w in vocab]
    types = [2 if w == "<unk>" else 3 if w in ("<s>", "</s>") else 6 if 3 <= i < 259 else 1 for i, w in vocab]
    scores = [0.0 if ty != 1 else -float(i // 2) for (i, _), ty in zip(vocab, types)]
    tokens.append("<|user|>")
    types.append(4)
    scores.append(0.0)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "v.gguf")
        w = gguf.GGUFWriter(path, "llama")
        w.add_context_length(32), w.add_embedding_length(32), w.add_block_count(1), w.add_feed_forward_length(32)
        w.add_head_count(1), w.add_layer_norm_rms_eps(1e-5), w.add_vocab_size(len(tokens))
        w.add_tokenizer_model("llama"), w.add_token_list(tokens), w.add_token_scores(scores), w.add_token_types(types)
        w.add_bos_token_id(1), w.add_eos_token_id(2), w.add_unk_token_id(0)
        w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
        model = llama_cpp.Llama(model_path=path, vocab_only=True, verbose=False)
        goldens = []
        for text in texts(9, 60, ["<|user|>", "<s>", "</s>"]):
            text = text.replace("\0", "")
            goldens.append({"text": text, "ids": model.tokenize(text.encode(), add_bos=False, special=True)})
    write("spm_gguf.json", {"tokens": tokens, "scores": scores, "types": types})
    write("spm_gguf.golden.json", goldens)


def main():
    os.makedirs(OUT, exist_ok=True)
    makers = dict(gpt2=gpt2, smollm=smollm, llama3=llama3, qwen2=qwen2, deepseek=deepseek, tekken=tekken, flags=flags,
                  spm_legacy=lambda: spm(True), spm_metaspace_first=lambda: spm(False), metaspace=metaspace)
    for i, (name, make) in enumerate(makers.items()):
        t = make()
        write(name + ".json", json.loads(t.to_str()))
        write(name + ".golden.json", cases(t, 100 + i, 40))
    gguf_spm()
    for name in ("deepseek_v3", "qwen3"):
        path = next((p for p in (ROOT + "/../shared", ROOT + "/../../shared") if os.path.exists(p)), None)
        if path is None:
            sys.exit("../shared is absent: no goldens for " + name)
        write(name + ".golden.json", cases(Tokenizer.from_file(f"{path}/tokenizers/{name}/tokenizer.json"), 5, 80))


if __name__ == "__main__":
    main()
