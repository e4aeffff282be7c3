// XmlNode: a small strict reader of the XML that object stores answer with: elements and text. Attributes and
// namespaces are passed over; document types and entities of one's own are refused, nesting and size are
// bounded. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

struct XmlNode {
  std::string name;  // without a namespace's prefix
  std::string text;  // of this element alone, entities resolved
  std::vector<XmlNode> children;

  const XmlNode* find(std::string_view child) const;  // the first; null: none
  std::string value(std::string_view child) const;    // its text; "": none
};

// Errors: kInvalidArgument with what is wrong; kTooLarge.
Result<XmlNode> parse_xml(std::string_view text);

// Text with & < > " as entities.
std::string xml_escaped(std::string_view text);

}  // namespace hadal
