// ModelRef: what the argument of hadal pull means. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

struct ModelRef {
  enum class Kind { kHuggingFace, kModelScope, kS3, kHttp, kDirectory };
  Kind kind = Kind::kHuggingFace;
  std::string repository;         // "org/name" of a hub
  std::string revision;           // as asked for; "": the hub's default
  std::string bucket;             // of S3
  std::string prefix;             // without slashes around it
  std::vector<std::string> urls;  // of http
  std::string path;               // of a directory
  std::string name;               // what the directory is called by default
};

// One reference, or several http addresses. Errors: kInvalidArgument saying what is understood.
Result<ModelRef> parse_model_ref(const std::vector<std::string>& arguments);
// "bucket" and "prefix" of "s3://bucket/prefix/". Errors: kInvalidArgument.
Status parse_s3_address(const std::string& text, std::string& bucket, std::string& prefix);
// "hf:org/name@rev" as people write it, for messages and the marker; without secrets.
std::string shown_ref(const ModelRef& ref);

}  // namespace hadal
