// SPDX-License-Identifier: Apache-2.0
#include "registrar/document.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "lb/address.h"
#include "registry-sync/ascii.h"
#include "registry-sync/parse.h"
#include "registry-sync/yaml_document.h"

namespace weft::registrar {
namespace {

using registry::Diagnostic;
using registry::YamlNode;

constexpr std::array<std::string_view, 12> kKinds = {
    "Service",   "EndpointSlice", "ServicePolicy", "FaultInjection", "InspectionPolicy", "HTTPRoute",
    "GRPCRoute", "Gateway",       "GatewayClass",  "ReferenceGrant", "DestinationRule",  "AuthorizationPolicy"};

/// A plain scalar by YAML's core schema, as far as resources have such.
Json plain_value(const std::string& text) {
  if (text == "true" || text == "false") {
    return text == "true";
  }
  int64_t integer = 0;
  double real = 0;
  const char* end = text.data() + text.size();
  if (const auto [rest, error] = std::from_chars(text.data(), end, integer); error == std::errc() && rest == end) {
    return integer;
  }
  const bool like_a_number = !text.empty() && (registry::is_digit(text[0]) || text[0] == '-' || text[0] == '.');
  if (const auto [rest, error] = std::from_chars(text.data(), end, real);
      like_a_number && error == std::errc() && rest == end) {
    return real;
  }
  return text;
}

std::string text_at(const Json& mapping, const char* key) {
  const auto at = mapping.is_object() ? mapping.find(key) : mapping.end();
  return at != mapping.end() && at->is_string() ? at->get<std::string>() : "";
}

void take_apart(Json content, DocumentsThere& there) {
  if (text_at(content, "kind") == "List") {
    if (const auto items = content.find("items"); items != content.end() && items->is_array()) {
      for (Json& item : *items) {
        take_apart(std::move(item), there);
      }
    }
    return;
  }
  const Json metadata = content.is_object() && content.contains("metadata") ? content["metadata"] : Json::object();
  DocumentName id{.kind = text_at(content, "kind"),
                  .name_space = text_at(metadata, "namespace"),
                  .name = text_at(metadata, "name")};
  id.name_space = id.name_space.empty() ? "default" : id.name_space;
  if (id.kind.empty() || id.name.empty()) {
    ++there.unnamed;
  } else {
    there.documents.push_back({.id = std::move(id), .content = std::move(content), .problem = {}});
  }
}

/// Is it a string whatever a reader thinks of YAML?
bool is_plain(const std::string& text) {
  static const std::set<std::string_view> kWords = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (lb::parse_ipv4(text)) {
    return true;  // no number has three points
  }
  return !text.empty() && (registry::is_letter(text[0]) || text[0] == '/') && !kWords.contains(lower) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return registry::is_letter(c) || registry::is_digit(c) || c == '-' || c == '_' || c == '.' || c == '/';
         });
}

std::string scalar_text(const Json& value) {
  return value.is_string() && is_plain(value.get<std::string>()) ? value.get<std::string>() : value.dump();
}

void write_yaml(const Json& value, size_t indent, std::string& text) {
  const std::string margin(indent, ' ');
  const auto write_value = [&](const Json& each, size_t deeper) {
    if (each.is_structured() && !each.empty()) {
      text += "\n";
      write_yaml(each, deeper, text);
    } else {
      text += " " + scalar_text(each) + "\n";
    }
  };
  if (value.is_object()) {
    for (const auto& [key, each] : value.items()) {
      text += margin + scalar_text(Json(key)) + ":";
      write_value(each, each.is_array() ? indent : indent + 2);
    }
    return;
  }
  for (const Json& each : value) {
    if (each.is_structured() && !each.empty()) {
      // The first line of what is in it goes beside the dash.
      std::string inner;
      write_yaml(each, indent + 2, inner);
      inner[indent] = '-';
      text += inner;
    } else {
      text += margin + "- " + scalar_text(each) + "\n";
    }
  }
}

}  // namespace

Json as_json(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return nullptr;
    case YamlNode::Kind::scalar:
      return node.quoted ? Json(node.text) : plain_value(node.text);
    case YamlNode::Kind::list: {
      Json list = Json::array();
      for (const YamlNode& item : node.items) {
        list.push_back(as_json(item));
      }
      return list;
    }
    case YamlNode::Kind::mapping:
      break;
  }
  Json mapping = Json::object();
  for (size_t i = 0; i < node.keys.size(); ++i) {
    mapping[node.keys[i].text] = as_json(node.items[i]);
  }
  return mapping;
}

std::string to_string(const DocumentName& name) {
  return name.kind + " " + name.name_space + "/" + name.name;
}

tl::expected<DocumentsThere, Diagnostic> documents_in(const std::string& file, std::string_view text) {
  DocumentsThere there;
  std::vector<Diagnostic> errors;
  registry::for_each_document(file, text, errors, [&](const YamlNode& node) { take_apart(as_json(node), there); });
  if (!errors.empty()) {
    return tl::make_unexpected(errors.front());
  }
  return there;
}

tl::expected<std::vector<Document>, std::vector<Diagnostic>> read_documents(const std::string& file,
                                                                            std::string_view text) {
  std::vector<Diagnostic> errors = registry::parse_file(file, text).errors;
  if (!errors.empty()) {
    return tl::make_unexpected(std::move(errors));
  }
  tl::expected<DocumentsThere, Diagnostic> there = documents_in(file, text);
  if (!there) {
    return tl::make_unexpected(std::vector<Diagnostic>{there.error()});
  }
  std::vector<Document>& documents = there->documents;
  std::set<DocumentName> names;
  for (const Document& document : documents) {
    if (!names.insert(document.id).second) {
      report(errors, {.file = file, .message = to_string(document.id) + " is there twice"});
    }
  }
  if (!errors.empty()) {
    return tl::make_unexpected(std::move(errors));
  }
  return std::move(documents);
}

std::string as_yaml(const Json& content) {
  std::string text;
  write_yaml(content, 0, text);
  return text;
}

tl::expected<std::string, std::string> kind_called(const std::string& word) {
  std::vector<std::string> all;
  for (const std::string_view kind : kKinds) {
    all.emplace_back(kind);
    std::string singular(kind);
    std::string wanted = word;
    for (std::string* each : {&singular, &wanted}) {
      std::transform(each->begin(), each->end(), each->begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    }
    const bool ends_in_y = singular.ends_with('y');
    const std::string plural = singular.ends_with("ss")                ? singular + "es"
                               : ends_in_y && singular.ends_with("cy") ? singular.substr(0, singular.size() - 1) + "ies"
                                                                       : singular + "s";
    if (wanted == singular || wanted == plural) {
      return std::string(kind);
    }
  }
  return tl::make_unexpected("unknown kind " + registry::in_quotes(word) + "; expected one of " +
                             registry::listed(all));
}

}  // namespace weft::registrar
