// Python's str operations on UTF-8 text, counted in code points. Pure functions over valid UTF-8; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::jinja {

size_t count_code_points(std::string_view s);
bool is_ascii(std::string_view s);
// Byte offset of code point `index`; the size of `s` when there are not so many.
size_t byte_offset(std::string_view s, size_t index);
// The code points [start, stop), both within 0..length.
std::string_view substring(std::string_view s, size_t start, size_t stop);
std::u32string decode(std::string_view s);
std::string encode(std::u32string_view s);

// str.strip and its kin; `chars` nullptr: white space as str.isspace says.
std::string_view strip(std::string_view s, const std::string_view* chars, bool left, bool right);
// str.split() without a separator. max_splits < 0: all.
std::vector<std::string_view> split_space(std::string_view s, int64_t max_splits, bool from_right);
std::vector<std::string_view> split(std::string_view s, std::string_view separator, int64_t max_splits,
                                    bool from_right);
// str.splitlines: \n, \r, \r\n, \v, \f, \x1c-\x1e, \x85, U+2028, U+2029.
std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends);
// At most `count` replacements; negative: all. Throws nothing; the caller has bounded the size.
std::string replace(std::string_view s, std::string_view from, std::string_view to, int64_t count);
size_t count_occurrences(std::string_view s, std::string_view sub);

std::string to_upper(std::string_view s);
std::string to_lower(std::string_view s);
std::string to_title(std::string_view s);        // str.title
std::string to_capitalized(std::string_view s);  // str.capitalize
std::string to_casefold(std::string_view s);
std::string swap_case(std::string_view s);
std::string expand_tabs(std::string_view s, int64_t tab_size);

bool is_lower_text(std::string_view s);
bool is_upper_text(std::string_view s);
bool is_title_text(std::string_view s);
bool is_identifier(std::string_view s);

}  // namespace hadal::jinja
