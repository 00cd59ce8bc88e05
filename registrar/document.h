// SPDX-License-Identifier: Apache-2.0
/// @file Resources as documents that are passed on as they are: what weft reads in them, and the text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "registry-sync/diagnostic.h"
#include "registry-sync/yaml_document.h"

namespace weft::registrar {

/// Keeps the order of fields.
using Json = nlohmann::ordered_json;

struct DocumentName {
  std::string kind;
  std::string name_space;
  std::string name;

  auto operator<=>(const DocumentName&) const = default;
};
/// "Service default/web"
std::string to_string(const DocumentName& name);

struct Document {
  DocumentName id;
  Json content;         ///< null if it can't be read
  std::string problem;  ///< why it can't; empty: it can
};

/// All that a text of YAML or JSON holds, Lists taken apart, validated one by one as a registry's file is. Of two with
/// one name the second is an error.
/// @param file what diagnostics call it
tl::expected<std::vector<Document>, std::vector<registry::Diagnostic>> read_documents(const std::string& file,
                                                                                      std::string_view text);
struct DocumentsThere {
  std::vector<Document> documents;
  size_t unnamed = 0;  ///< that have no kind or no name
};
/// The same without validation: of what a registry holds already. The error: the text can't be read to its end.
tl::expected<DocumentsThere, registry::Diagnostic> documents_in(const std::string& file, std::string_view text);

/// Of a text's tree; plain scalars by YAML's core schema, as far as resources have such.
Json as_json(const registry::YamlNode& node);

/// In block style; JSON's strings where a plain one could be taken for something else.
std::string as_yaml(const Json& content);

/// The kind in its own spelling: "httproutes", "HTTPRoute" and "httproute" are HTTPRoute. The error lists all.
tl::expected<std::string, std::string> kind_called(const std::string& word);

}  // namespace weft::registrar
