// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/source_section.h"

namespace weft::registry {
namespace {

void read_etcd_section(Fields fields, SourceSection& section) {
  etcd::Options& options = section.etcd.emplace();
  options.endpoints = fields.strings("endpoints");
  if (fields && options.endpoints.empty()) {
    fields.error("endpoints", "expected at least one, such as http://10.0.0.1:2379");
  }
  options.ca_file = fields.string("ca").value_or("");
  options.cert_file = fields.string("certificate").value_or("");
  options.key_file = fields.string("key").value_or("");
  if (options.cert_file.empty() != options.key_file.empty()) {
    fields.error("certificate", "certificate and key go together");
  }
  options.user = fields.string("user").value_or("");
  section.password_file = fields.string("password_file").value_or("");
  if (options.user.empty() != section.password_file.empty()) {
    fields.error("user", "user and password_file go together");
  }
  options.timeout =
      std::chrono::milliseconds(fields.integer("timeout_ms", 100, 60'000).value_or(options.timeout.count()));
  Fields guard = fields.mapping("guard");
  Guard& bounds = section.guard;
  bounds.percent = static_cast<uint32_t>(guard.integer("percent", 1, 100).value_or(bounds.percent));
  bounds.least = static_cast<uint32_t>(guard.integer("least", 1, 1'000'000).value_or(bounds.least));
  bounds.window = std::chrono::seconds(guard.integer("window_s", 1, 3600).value_or(bounds.window.count()));
  guard.finish();
  fields.finish();
}

}  // namespace

SourceSection read_source_section(Fields fields) {
  SourceSection section;
  const std::string source = fields.word("source", {"files", "etcd"}).value_or("files");
  if (source == "etcd") {
    read_etcd_section(fields.required_mapping("etcd"), section);
    section.cache = fields.string("cache").value_or(section.cache.string());
    if (!section.cache.empty() && !section.cache.is_absolute()) {
      fields.error("cache",
                   "expected an absolute path, or \"\" for no cache, got " + in_quotes(section.cache.string()));
    }
  } else if (fields) {
    section.folder = fields.required_string("folder");
  }
  fields.finish();
  return section;
}

tl::expected<std::string, std::string> read_password(const std::filesystem::path& file) {
  const tl::expected<std::string, ReadFailure> text = read_text_file(file);
  if (!text) {
    return tl::make_unexpected(in_quotes(file.native()) + ": " + text.error().message);
  }
  return text->substr(0, text->find_first_of("\r\n"));
}

}  // namespace weft::registry
