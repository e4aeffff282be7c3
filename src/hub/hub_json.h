// The JSON that Hugging Face and ModelScope answer with, read into values. Everything in it is a stranger's:
// what has the wrong form is an error or left out, never believed. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/listing.h"

namespace hadal {

// GET /api/models/{id}/revision/{rev}: the commit. kInvalidArgument: none in it.
Result<std::string> parse_hf_commit(std::string_view text);
// One page of GET /api/models/{id}/tree/{rev}?recursive=true: its files with size and checksum (lfs.oid, a
// SHA-256, or oid, Git's SHA-1), appended to `files`.
Status parse_hf_tree(std::string_view text, std::vector<RemoteFile>& files);
// GET /api/v1/models/{id}/repo/files?Recursive=True of ModelScope.
Status parse_modelscope_files(std::string_view text, std::vector<RemoteFile>& files);
// What either says in an error's body, as one line of plain characters; "": nothing.
std::string hub_error_text(std::string_view body);

}  // namespace hadal
