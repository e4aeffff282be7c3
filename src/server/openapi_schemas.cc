// The OpenAPI document, second half: the shapes of requests and answers.
// The text's order is the document's.
#include "server/openapi.h"

namespace hadal {

// clang-format off
const char* const kOpenApiSchemas = R"json("components":{
"schemas":{
"Error":{
"type":"object",
"required":["error"],
"properties":{
"error":{"type":"object","required":["message","type","param","code"],"properties":{"message":{"type":
"string"},"type":{"type":"string"},"param":{"type":["string","null"]},"code":{"type":["string","null"]}}}
}
},
"ContentParts":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"object","required":["type","text"],
"properties":{"type":{"const":"text"},"text":{"type":"string"}}},{"type":"object","required":["type","refusal"],
"properties":{"type":{"const":"refusal"},"refusal":{"type":"string"}}}]}},
"Message":{
"anyOf":[{"type":"object","required":["role","content"],"properties":{"role":{"enum":["system","developer",
"user","tool","function"]},"content":{"anyOf":[{"type":"string"},{"$ref":
"#/components/schemas/ContentParts"}]},@MESSAGE_FIELDS@,"tool_calls":{"type":["array","null"],"maxItems":0}}},
{"type":"object","required":["role"],"properties":{"role":{"const":"assistant"},"content":{"anyOf":[{"type":
"null"},{"type":"string"},{"$ref":"#/components/schemas/ContentParts"}]},@MESSAGE_FIELDS@,"tool_calls":{
"type":["array","null"],"items":{"type":"object","required":["function"],"properties":{"id":{"type":["string",
"null"]},"type":{"enum":["function",null]},"function":{"type":"object","required":["name"],"properties":{
"name":{"type":"string"},"arguments":{"type":["string","object","null"],"description":"JSON"}}}}}}}}]
},
"Tool":{"type":"object","required":["type","function"],"properties":{"type":{
"const":"function"},"function":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
"description":{"type":["string","null"]},"parameters":{"type":["object","null"]}}}}},
"ChatRequest":{
"type":"object",
"required":["model","messages"],
"properties":{
@GENERATION@
"messages":{"type":"array","minItems":1,"maxItems":@MAX_MESSAGES@,"items":{"$ref":
"#/components/schemas/Message"}},
"tools":{"type":["array","null"],"maxItems":@MAX_TOOLS@,"items":{"$ref":"#/components/schemas/Tool"}},
"tool_choice":{"enum":["none","auto",null]},
"documents":{"type":["array","null"],"maxItems":@MAX_MESSAGES@,"items":{"type":"object"}},
"chat_template_kwargs":{"type":["object","null"],"description":"Variables for the model's chat template"},
"chat_template":{"type":"null","description":"the server's template cannot be replaced"},
"add_generation_prompt":{"type":["boolean","null"],"default":true},
"continue_final_message":{"type":["boolean","null"],"default":false},
"reasoning_effort":{"type":["string","null"]},
"max_tokens":{"type":["integer","null"],"minimum":1,"maximum":2147483647,"description":"@FIT@"},
"max_completion_tokens":{"type":["integer","null"],"minimum":1,"maximum":2147483647,"description":"@FIT@"},
"logprobs":{"type":["boolean","null"],"default":false},
"top_logprobs":{"type":["integer","null"],"minimum":0,"maximum":20},
"echo":{"type":["boolean","null"],"default":false},
"separate_reasoning":{"type":["boolean","null"],"default":true,"description":
"Reasoning goes into reasoning_content. It runs from <think>, which the prompt or the output's start opens, to the first </think>; a nested <think> is its text; unclosed, all is reasoning; without tags, all is content. false: all is content, tags included"},
"stream_reasoning":{"type":["boolean","null"],"default":true},
"include_reasoning":{"type":["boolean","null"],"default":true},
"response_format":{"anyOf":[{"type":"null"},{"type":"object","required":["type"],"properties":{"type":{
"const":"text"}}}]},
"functions":{"type":["array","null"],"maxItems":0,"description":"deprecated"},
"function_call":{"enum":["none","auto",null],"description":"deprecated"},
"audio":{"type":"null","description":"text only"},
"modalities":{"anyOf":[{"type":"null"},{"type":"array","maxItems":8,"items":{"const":"text"}}]},
"web_search_options":{"type":"null","description":"not supported"},
"user":{},
"metadata":{},
"store":{},
"service_tier":{},
"parallel_tool_calls":{}
},
"not":@TWO_ENDS@
},
"CompletionRequest":{
"type":"object",
"required":["model","prompt"],
"properties":{
@GENERATION@
"prompt":{"anyOf":[{"type":"string"},{"type":"array","minItems":1,"maxItems":@MAX_PROMPTS@,"items":{"type":
"string"}},{"type":"array","minItems":1,"items":{"type":"integer","minimum":0,"maximum":@LAST_ID@}},{"type":
"array","minItems":1,"maxItems":@MAX_PROMPTS@,"items":{"type":"array","minItems":1,"items":{"type":
"integer","minimum":0,"maximum":@LAST_ID@}}}]},
"max_tokens":{"type":["integer","null"],"minimum":0,"maximum":2147483647,"default":16,"description":
"0: the prompt alone is scored, for echo. @FIT@"},
"echo":{"type":["boolean","null"],"default":false},
"logprobs":{"type":["integer","null"],"minimum":0,"maximum":5},
"best_of":{"type":["integer","null"],"minimum":1,"maximum":@MAX_N@,"description":"At most n: answers are not ranked"},
"suffix":{"type":["string","null"],"maxLength":0},
"response_format":{"anyOf":[{"type":"null"},{"type":"object","required":["type"],"properties":{"type":{
"const":"text"}}}]},
"user":{}
}
},
"EmbeddingRequest":{
"type":"object",
"required":["model","input"],
"properties":{
"model":@MODEL@,
"input":{"anyOf":[{"type":"string","minLength":1},{"type":"array","minItems":1,"maxItems":@MAX_INPUTS@,
"items":{"type":"string","minLength":1}},{"type":"array","minItems":1,"items":{"type":"integer","minimum":0,
"maximum":@LAST_ID@}},{"type":"array","minItems":1,"maxItems":@MAX_INPUTS@,"items":{"type":"array",
"minItems":1,"items":{"type":"integer","minimum":0,"maximum":@LAST_ID@}}}]},
"encoding_format":{"enum":["float","base64",null]},
"dimensions":@DIMENSIONS@,
"pooling":{"enum":["mean","last",null]},
"normalize":{"type":["boolean","null"],"default":true},
"priority":{"type":["integer","null"],"minimum":-2147483648,"maximum":2147483647},
"truncate_prompt_tokens":{"type":"null","description":"not supported"},
"user":{}
}
},
"TokenizeRequest":{
"anyOf":[{"type":"object","required":["prompt"],"properties":{"model":{"anyOf":[@MODEL@,{"type":"null"}]},
"add_special_tokens":{"type":["boolean","null"]},"return_token_strs":{"type":["boolean","null"],"default":
false},"prompt":{"anyOf":[{"type":"string"},{"type":"array","minItems":1,"maxItems":@MAX_PROMPTS@,"items":{
"type":"string"}}]},"messages":{"type":"null"}}},{"type":"object","required":["messages"],"properties":{
"model":{"anyOf":[@MODEL@,{"type":"null"}]},"add_special_tokens":{"type":["boolean","null"]},
"return_token_strs":{"type":["boolean","null"],"default":false},"messages":{"type":"array","minItems":1,
"maxItems":@MAX_MESSAGES@,"items":{"$ref":"#/components/schemas/Message"}},"tools":{"type":["array","null"],
"maxItems":@MAX_TOOLS@,"items":{"$ref":"#/components/schemas/Tool"}},"tool_choice":{"enum":
["none","auto",null]},"documents":{"type":["array","null"],"maxItems":@MAX_MESSAGES@,"items":{"type":
"object"}},"chat_template_kwargs":{"type":["object","null"],"description":
"Variables for the model's chat template"},"chat_template":{"type":"null","description":
"the server's template cannot be replaced"},"add_generation_prompt":{"type":["boolean","null"],"default":
true},"continue_final_message":{"type":["boolean","null"],"default":false},"reasoning_effort":{"type":[
"string","null"]},"prompt":{"type":"null"}},"not":@TWO_ENDS@}]
},
"DetokenizeRequest":{
"type":"object",
"required":["tokens"],
"properties":{
"model":{"anyOf":[@MODEL@,{"type":"null"}]},
"skip_special_tokens":{"type":["boolean","null"],"default":false},
"tokens":{"anyOf":[{"type":"array","items":{"type":"integer","minimum":0,"maximum":@LAST_ID@}},{"type":
"array","maxItems":@MAX_PROMPTS@,"items":{"type":"array","items":{"type":"integer","minimum":0,"maximum":
@LAST_ID@}}}]}
}
},
"Usage":{
"type":"object",
"required":["prompt_tokens","completion_tokens","total_tokens"],
"properties":{
"prompt_tokens":{"type":"integer"},
"completion_tokens":{"type":"integer"},
"total_tokens":{"type":"integer"},
"prompt_tokens_details":{"type":"object","properties":{"cached_tokens":{"type":"integer"}}},
"completion_tokens_details":{"type":"object","properties":{"reasoning_tokens":{"type":"integer"}}}
}
},
"TokenLogprob":{
"type":"object",
"required":["token","logprob","bytes"],
"properties":{
"token":{"type":"string"},
"logprob":{"type":"number"},
"bytes":{"type":"array","items":{"type":"integer","minimum":0,"maximum":255}},
"top_logprobs":{"type":"array","items":{"$ref":"#/components/schemas/TokenLogprob"}}
}
},
"ChatResponse":{
"type":"object",
"required":["id","object","created","model","choices","usage"],
"properties":{
"id":{"type":"string"},
"object":{"const":"chat.completion"},
"created":{"type":"integer"},
"model":{"type":"string"},
"choices":{"type":"array","minItems":1,"items":{"type":"object","required":["index","message","logprobs",
"finish_reason"],"properties":{"index":{"type":"integer"},"message":{"type":"object","required":["role",
"content"],"properties":{"role":{"const":"assistant"},"content":{"type":"string"},"reasoning_content":{
"type":["string","null"]},"refusal":{"type":"null"}}},"logprobs":{"anyOf":[{"type":"null"},{"type":"object",
"required":["content"],"properties":{"content":{"type":"array","items":{"$ref":
"#/components/schemas/TokenLogprob"}}}}]},"finish_reason":{"enum":["stop","length"]},"matched_stop":{"type":["string","integer","null"],"description":
"The stop string or token that ended the answer"}}}},
"usage":{"$ref":"#/components/schemas/Usage"},
"system_fingerprint":{"type":"string"}
}
},
"CompletionResponse":{
"type":"object",
"required":["id","object","created","model","choices","usage"],
"properties":{
"id":{"type":"string"},
"object":{"const":"text_completion"},
"created":{"type":"integer"},
"model":{"type":"string"},
"choices":{"type":"array","minItems":1,"items":{"type":"object","required":["index","text","logprobs",
"finish_reason"],"properties":{"index":{"type":"integer"},"text":{"type":"string"},"logprobs":{"anyOf":[{
"type":"null"},{"type":"object","required":["tokens","token_logprobs","top_logprobs","text_offset"],
"properties":{"tokens":{"type":"array","items":{"type":"string"}},"token_logprobs":{"type":"array","items":{
"type":["number","null"]}},"top_logprobs":{"type":"array","items":{"type":["object","null"]}},"text_offset":
{"type":"array","description":"Characters from the start of the choice's text","items":{"type":
"integer"}}}}]},"finish_reason":{"enum":["stop","length"]},"matched_stop":{"type":
["string","integer","null"],"description":"The stop string or token that ended the answer"}}}},
"usage":{"$ref":"#/components/schemas/Usage"},
"system_fingerprint":{"type":"string"}
}
},
"EmbeddingResponse":{
"type":"object",
"required":["object","data","model","usage"],
"properties":{
"object":{"const":"list"},
"data":{"type":"array","items":{"type":"object","required":["object","index","embedding"],"properties":{
"object":{"const":"embedding"},"index":{"type":"integer"},"embedding":{"anyOf":[{"type":"array","items":{
"type":"number"}},{"type":"string","description":"base64 of little-endian float32"}]}}}},
"model":{"type":"string"},
"usage":{"type":"object","required":["prompt_tokens","total_tokens"],"properties":{"prompt_tokens":{"type":
"integer"},"total_tokens":{"type":"integer"}}}
}
},
"TokenizeResponse":{
"type":"object",
"required":["tokens","count","max_model_len"],
"properties":{
"tokens":{"anyOf":[{"type":"array","items":{"type":"integer"}},{"type":"array","items":{"type":"array",
"items":{"type":"integer"}}}]},
"count":{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"integer"}}]},
"max_model_len":{"type":"integer"},
"token_strs":{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"array","items":{"type":"array",
"items":{"type":"string"}}}]}
}
},
"DetokenizeResponse":{
"type":"object",
"required":["prompt","text"],
"properties":{
"prompt":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},
"text":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}
}
},
"Model":{
"type":"object",
"required":["id","object","created","owned_by"],
"properties":{
"id":{"type":"string"},
"object":{"const":"model"},
"created":{"type":"integer"},
"owned_by":{"type":"string"},
"root":{"type":"string"},
"parent":{"type":"null"},
"max_model_len":{"type":"integer"}
}
},
"ModelList":{
"type":"object",
"required":["object","data"],
"properties":{
"object":{"const":"list"},
"data":{"type":"array","items":{"$ref":"#/components/schemas/Model"}}
}
},
"Health":{
"type":"object",
"required":["status"],
"properties":{
"status":{"enum":["ok","starting","draining","stalled","failed","stopped"]},
"reason":{"type":"string"}
}
},
"Version":{"type":"object","required":["version"],"properties":{"version":{"type":"string"}}},
"Document":{"type":"object"},
"Startup":{
"type":"object",
"required":["status","phase","progress"],
"properties":{
"status":{"type":"string"},
"phase":{"type":"string"},
"progress":{"type":"number"}
}
}
},
"securitySchemes":{
"bearer":{
"type":"http",
"scheme":"bearer"
},
"apiKey":{
"type":"apiKey",
"in":"header",
"name":"X-API-Key"
}
},
"headers":{
"RequestId":{"schema":{"type":"string"},"description":"The request's id: the client's, or one made here"}
},
"parameters":{
"RequestId":{"name":"X-Request-ID","in":"header","schema":{"type":"string"},"description":
"Up to 256 visible ASCII characters but quote and backslash name the request in logs and in the answer; anything else is replaced"}
},
"responses":{
"WrongMethod":{
"description":"An error in OpenAI's shape",
"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}
},
"headers":{
"Allow":{"schema":{"type":"string"},"description":"The methods"}
}
},
"Error":{
"description":"An error in OpenAI's shape",
"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}
}
},
"Retry":{
"description":"An error in OpenAI's shape",
"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}
},
"headers":{
"Retry-After":{"schema":{"type":"string"},"description":"Seconds"}
}
}
}
})json";
// The fields that chat and completions share.
const char* const kOpenApiGeneration = R"json("model":@MODEL@,
"stream":{"type":["boolean","null"],"default":false},
"n":{"type":["integer","null"],"minimum":1,"maximum":@MAX_N@,"default":1},
"temperature":{"type":["number","null"],"minimum":0,"maximum":2,"default":1},
"top_p":{"type":["number","null"],"minimum":0,"maximum":1,"default":1},
"top_k":{"type":["integer","null"],"minimum":-1,"maximum":2147483647},
"min_p":{"type":["number","null"],"minimum":0,"maximum":1},
"presence_penalty":{"type":["number","null"],"minimum":-2,"maximum":2,"default":0},
"frequency_penalty":{"type":["number","null"],"minimum":-2,"maximum":2,"default":0},
"repetition_penalty":{"type":["number","null"],"exclusiveMinimum":0,"maximum":2},
"seed":{"type":["integer","null"],"minimum":-9223372036854775808,"maximum":9223372036854775807},
"stop":{"anyOf":[{"type":"null"},{"type":"string","maxLength":@MAX_STOP_LEN@},{"type":"array","maxItems":
@MAX_STOP@,"items":{"type":"string","maxLength":@MAX_STOP_LEN@}}]},
"stop_token_ids":{"type":["array","null"],"maxItems":@MAX_STOP_IDS@,"items":{"type":"integer","minimum":0,
"maximum":@LAST_ID@}},
"include_stop_str_in_output":{"type":["boolean","null"],"default":false},
"no_stop_trim":{"type":["boolean","null"],"default":false},
"skip_special_tokens":{"type":["boolean","null"],"default":true},
"ignore_eos":{"type":["boolean","null"],"default":false},
"min_tokens":{"type":["integer","null"],"minimum":0,"maximum":2147483647,"default":0},
"logit_bias":{"type":["object","null"],"maxProperties":@MAX_BIAS@,"description":
"Token id to a number from -100 to 100","additionalProperties":{"type":"number","minimum":-100,"maximum":
100},"propertyNames":{"pattern":"^(@ID_PATTERN@)$"}},
"priority":{"type":["integer","null"],"minimum":-2147483648,"maximum":2147483647,"default":0},
"cache_salt":{"type":["string","null"],"minLength":1,"maxLength":@MAX_SALT_LEN@},
"timeout":{"type":["number","null"],"minimum":0,"maximum":604800,"description":"Seconds from arrival to the end"},
"queue_timeout":{"type":["number","null"],"minimum":0,"maximum":604800,"description":"Seconds of waiting"},
"stream_options":{"anyOf":[{"type":"null"},{"type":"object","properties":{"include_usage":{"type":[
"boolean","null"],"default":false},"continuous_usage_stats":{"type":["boolean","null"],"default":false}}}],
"description":"Without effect where stream is off"},
@REFUSED@,)json";

// Of any message.
const char* const kOpenApiMessageFields = R"json("name":{"type":["string","null"]},"tool_call_id":{"type":[
"string","null"]},"reasoning_content":{"type":["string","null"]},"thinking":{"type":["string","null"]},
"reasoning":{"type":["string","null"]})json";

// clang-format on

}  // namespace hadal
