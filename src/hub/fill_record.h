// What pulls have put into a directory, kept beside the journal (DIR/.hadal-pull/filling) until the directory
// is whole: whose model it is being filled with, and every path that it or the marker before it listed. So a
// directory is never filled with two models, and files that a new version has no more do not stay to be
// read, however often the pull was cut short. Functions over files; under the directory's lock, but for
// check_holds_same.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/listing.h"
#include "hub/model_marker.h"

namespace hadal {

// Whether a directory that is filled from `before` may be filled from `now` without losing anything: the same
// reference, or more http addresses.
bool is_same_source(const std::string& before, const std::string& now);

// kInvalidArgument where the directory holds, or was begun to be filled with, another model; with `replace`
// that is meant. Before anything is asked for or written.
Status check_holds_same(const std::string& directory, const std::string& source, bool replace);

// Before the marker goes and the first file changes: notes what is there by the marker and by earlier pulls
// that did not end, and the files that will come. On disk when it returns.
Status begin_filling(const std::string& directory, const std::string& source,
                     const std::vector<std::string>& coming);

// When all files of the model are in place: removes those that pulls put there and that the source no longer
// has. What the source still lists in this size, and was only not chosen this time, stays. Returns what was
// removed, by path.
Result<std::vector<std::string>> remove_stale(const std::string& directory,
                                              const std::vector<MarkerFile>& chosen,
                                              const std::vector<RemoteFile>& listed);

// "2 files ... removed: a, b", or "" where there is nothing to say.
std::string removed_line(const std::vector<std::string>& removed);

}  // namespace hadal
