"""Hugging Face's Llama in fp32 over a GGUF file's weights, dequantised by the `gguf` package: what files of any quantisation
are compared with. Needs torch, transformers, gguf."""
import torch
from gguf import GGUFReader, quants
from transformers import LlamaConfig, LlamaForCausalLM

LAYER = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
       "output.weight": "lm_head.weight"}


def unpermute(weight, heads):
    """Rows of each head from interleaved pairs to (first half, second half)."""
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def load_fp32(path):
    reader = GGUFReader(path)
    get = lambda key: reader.fields["llama." + key].contents()
    names = {t.name for t in reader.tensors}
    heads, kv_heads = get("attention.head_count"), get("attention.head_count_kv")
    vocab = next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]
    config = LlamaConfig(
        vocab_size=int(vocab), hidden_size=get("embedding_length"), intermediate_size=get("feed_forward_length"),
        num_hidden_layers=get("block_count"), num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=get("context_length"), rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        rope_theta=get("rope.freq_base"), tie_word_embeddings="output.weight" not in names)
    state = {}
    for tensor in reader.tensors:
        value = torch.from_numpy(quants.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        if tensor.name in TOP:
            state[TOP[tensor.name]] = value
            continue
        _, layer, part, kind = tensor.name.split(".")
        if part in ("attn_q", "attn_k"):
            value = unpermute(value, heads if part == "attn_q" else kv_heads)
        state[f"model.layers.{layer}.{LAYER[part]}.{kind}"] = value
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config).float().eval()
    model.load_state_dict(state)
    return model
