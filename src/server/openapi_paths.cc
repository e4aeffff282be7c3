// The OpenAPI document, first half: what the routes take and give.
// The text's order is the document's.
#include "server/openapi.h"

namespace hadal {

// clang-format off
const char* const kOpenApiPaths = R"json("openapi":"3.1.0","info":{"title":"hadal","version":@VERSION@,"description":
"The OpenAI API on your own machines"},"security":@SECURITY@,
"paths":{
"/v1/chat/completions":{
"post":{"operationId":"createChatCompletion","summary":"Answers a conversation","requestBody":{"required":
true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ChatRequest"}}}},"responses":{
"200":{"description":"The answer or, with `stream`, its chunks as server-sent events that end with [DONE]",
"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ChatResponse"}},"text/event-stream":{
"schema":{"type":"string"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":
"#/components/responses/Error"},"404":{"$ref":"#/components/responses/Error"},"408":{"$ref":
"#/components/responses/Error"},"413":{"$ref":"#/components/responses/Error"},"415":{"$ref":
"#/components/responses/Error"},"429":{"$ref":"#/components/responses/Retry"},"431":{"$ref":
"#/components/responses/Error"},"500":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"},"504":{"$ref":"#/components/responses/Error"}}}
},
"/v1/completions":{
"post":{"operationId":"createCompletion","summary":"Continues text","requestBody":{"required":true,
"content":{"application/json":{"schema":{"$ref":"#/components/schemas/CompletionRequest"}}}},"responses":{
"200":{"description":"The answer or, with `stream`, its chunks as server-sent events that end with [DONE]",
"content":{"application/json":{"schema":{"$ref":"#/components/schemas/CompletionResponse"}},
"text/event-stream":{"schema":{"type":"string"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{
"$ref":"#/components/responses/Error"},"404":{"$ref":"#/components/responses/Error"},"408":{"$ref":
"#/components/responses/Error"},"413":{"$ref":"#/components/responses/Error"},"415":{"$ref":
"#/components/responses/Error"},"429":{"$ref":"#/components/responses/Retry"},"431":{"$ref":
"#/components/responses/Error"},"500":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"},"504":{"$ref":"#/components/responses/Error"}}}
},
"/v1/embeddings":{
"post":{"operationId":"createEmbedding","summary":"Embeds texts","requestBody":{"required":true,"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/EmbeddingRequest"}}}},"responses":{"200":{
"description":"The answer","content":{"application/json":{"schema":{"$ref":
"#/components/schemas/EmbeddingResponse"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":
"#/components/responses/Error"},"404":{"$ref":"#/components/responses/Error"},"408":{"$ref":
"#/components/responses/Error"},"413":{"$ref":"#/components/responses/Error"},"415":{"$ref":
"#/components/responses/Error"},"429":{"$ref":"#/components/responses/Retry"},"431":{"$ref":
"#/components/responses/Error"},"500":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"},"504":{"$ref":"#/components/responses/Error"}}}
},
"/tokenize":{
"post":{"operationId":"tokenize","summary":"Text or messages to token ids","requestBody":{"required":true,
"content":{"application/json":{"schema":{"$ref":"#/components/schemas/TokenizeRequest"}}}},"responses":{
"200":{"description":"The answer","content":{"application/json":{"schema":{"$ref":
"#/components/schemas/TokenizeResponse"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":
"#/components/responses/Error"},"404":{"$ref":"#/components/responses/Error"},"408":{"$ref":
"#/components/responses/Error"},"413":{"$ref":"#/components/responses/Error"},"415":{"$ref":
"#/components/responses/Error"},"429":{"$ref":"#/components/responses/Retry"},"431":{"$ref":
"#/components/responses/Error"},"500":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"},"504":{"$ref":"#/components/responses/Error"}}}
},
"/detokenize":{
"post":{"operationId":"detokenize","summary":"Token ids to text","requestBody":{"required":true,"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/DetokenizeRequest"}}}},"responses":{"200":{
"description":"The answer","content":{"application/json":{"schema":{"$ref":
"#/components/schemas/DetokenizeResponse"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":
"#/components/responses/Error"},"404":{"$ref":"#/components/responses/Error"},"408":{"$ref":
"#/components/responses/Error"},"413":{"$ref":"#/components/responses/Error"},"415":{"$ref":
"#/components/responses/Error"},"429":{"$ref":"#/components/responses/Retry"},"431":{"$ref":
"#/components/responses/Error"},"500":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"},"504":{"$ref":"#/components/responses/Error"}}}
},
"/v1/models":{
"get":{"operationId":"listModels","summary":"The names the model answers to","responses":{"200":{
"description":"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/ModelList"}}}},
"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":"#/components/responses/Error"},"503":{"$ref":
"#/components/responses/Retry"}}}
},
"/v1/models/{id}":{
"get":{"operationId":"retrieveModel","summary":"One of them","responses":{"200":{"description":"OK",
"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Model"}}}},"400":{"$ref":
"#/components/responses/Error"},"401":{"$ref":"#/components/responses/Error"},"404":{"$ref":
"#/components/responses/Error"},"503":{"$ref":"#/components/responses/Retry"}},"parameters":[{"name":"id",
"in":"path","required":true,"schema":{"type":"string","minLength":1}}]}
},
"/health":{
"get":{"operationId":"health","summary":"Whether requests are served","responses":{"200":{"description":
"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Health"}}}},"400":{"$ref":
"#/components/responses/Error"},"503":{"description":"Not now","content":{"application/json":{"schema":{
"$ref":"#/components/schemas/Health"}}}}},"security":[]}
},
"/livez":{
"get":{"operationId":"livez","summary":"Whether the process is alive: restart it when not","responses":{
"200":{"description":"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Health"}}}},
"400":{"$ref":"#/components/responses/Error"},"503":{"description":"Not now","content":{"application/json":{
"schema":{"$ref":"#/components/schemas/Health"}}}}},"security":[]}
},
"/readyz":{
"get":{"operationId":"readyz","summary":"Whether to send requests here","responses":{"200":{"description":
"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Health"}}}},"400":{"$ref":
"#/components/responses/Error"},"503":{"description":"Not now","content":{"application/json":{"schema":{
"$ref":"#/components/schemas/Health"}}}}},"security":[]}
},
"/startupz":{
"get":{"operationId":"startupz","summary":"Whether loading has ended","responses":{"200":{"description":
"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Startup"}}}},"400":{"$ref":
"#/components/responses/Error"},"503":{"description":"Not now","content":{"application/json":{"schema":{
"$ref":"#/components/schemas/Startup"}}}}},"security":[]}
},
"/metrics":{
"get":{"operationId":"metrics","summary":"Prometheus metrics, text format 0.0.4","responses":{"200":{
"description":"OK","content":{"text/plain":{"schema":{"type":"string"}}}},"400":{"$ref":
"#/components/responses/Error"},"401":{"$ref":"#/components/responses/Error"},"404":{"$ref":
"#/components/responses/Error"}}}
},
"/version":{
"get":{"operationId":"version","summary":"The program's version","responses":{"200":{"description":"OK",
"content":{"application/json":{"schema":{"type":"object","required":["version"],"properties":{"version":{
"type":"string"}}}}}},"400":{"$ref":"#/components/responses/Error"},"401":{"$ref":
"#/components/responses/Error"}}}
},
"/openapi.json":{
"get":{"operationId":"openapi","summary":"This document","responses":{"200":{"description":"OK","content":{
"application/json":{"schema":{"type":"object"}}}},"400":{"$ref":"#/components/responses/Error"},"401":{
"$ref":"#/components/responses/Error"}}}
}
})json";
// clang-format on

}  // namespace hadal
