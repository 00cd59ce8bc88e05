// SPDX-License-Identifier: Apache-2.0
#include "registrar/agreement.h"

#include <algorithm>
#include <set>

#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"

namespace weft::registrar {
namespace {

std::shared_ptr<const registry::ResourceSet> resources_of(const std::string& file, std::string_view text) {
  return std::make_shared<const registry::ResourceSet>(registry::parse_file(file, text).resources);
}

/// What can't be read may be any of them.
bool may_have_any(const Store::File& file, const std::set<DocumentName>& names) {
  const auto there = documents_in(file.name, file.text);
  return !there || std::any_of(there->documents.begin(), there->documents.end(),
                               [&](const Document& each) { return names.contains(each.id); });
}

}  // namespace

std::vector<registry::Diagnostic> disagreements(const std::vector<Store::File>& registry, const std::string& file,
                                                std::string_view text, const std::vector<Document>& documents) {
  std::set<DocumentName> names;
  for (const Document& document : documents) {
    names.insert(document.id);
  }
  registry::Inventory before;
  registry::Inventory after;
  for (const Store::File& each : registry) {
    const auto resources = resources_of(each.name, each.text);
    before.set(each.name, resources);
    if (!may_have_any(each, names)) {  // else they replace it: put() replaces only what is alone in its file
      after.set(each.name, resources);
    }
  }
  after.set(file, resources_of(file, text));
  std::set<std::string> known;
  for (const registry::Diagnostic& each : before.errors()) {
    known.insert(each.message);
  }
  std::vector<registry::Diagnostic> errors = after.errors();
  std::erase_if(errors, [&](const registry::Diagnostic& each) { return known.contains(each.message); });
  return errors;
}

}  // namespace weft::registrar
