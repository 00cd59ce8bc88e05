// SPDX-License-Identifier: Apache-2.0
#include "registrar/place.h"

#include <algorithm>

#include "registry-sync/source_section.h"

namespace weft::registrar {
namespace {

using registry::Diagnostic;

tl::expected<Place, std::string> with_password(etcd::Options options, const std::filesystem::path& password_file) {
  if (!password_file.empty()) {
    tl::expected<std::string, std::string> password = registry::read_password(password_file);
    if (!password) {
      return tl::make_unexpected("password file " + password.error());
    }
    options.password = std::move(*password);
  }
  return Place{.etcd = std::move(options), .folder = {}};
}

tl::expected<Place, std::string> read_config(const std::string& path) {
  const tl::expected<std::string, registry::ReadFailure> text = registry::read_text_file(path);
  if (!text) {
    return tl::make_unexpected(
        "no registry is named: say --etcd URL or --folder PATH, or --config FILE for that of a "
        "node's configuration (" +
        registry::in_quotes(path) + ": " + text.error().message + ")");
  }
  std::vector<Diagnostic> errors;
  const std::optional<registry::YamlNode> root = registry::read_document(path, *text, errors);
  if (!root) {
    return tl::make_unexpected(to_string(errors.front()));
  }
  const auto at =
      std::find_if(root->keys.begin(), root->keys.end(), [](const auto& key) { return key.text == "registry"; });
  if (at == root->keys.end()) {
    return tl::make_unexpected(path + ": registry: required section is missing");
  }
  // The rest of the node's configuration is weftd's to judge.
  const size_t number = static_cast<size_t>(at - root->keys.begin());
  registry::SourceSection section =
      registry::read_source_section(registry::Fields(root->items[number], "registry", path, errors));
  if (!errors.empty()) {
    return tl::make_unexpected(to_string(errors.front()));
  }
  return section.etcd ? with_password(std::move(*section.etcd), section.password_file)
                      : Place{.etcd = {}, .folder = section.folder};
}

}  // namespace

void add_place_flags(CLI::App& app, PlaceFlags& flags) {
  app.add_option("--etcd", flags.etcd, "etcd's endpoints, such as http://10.0.0.1:2379")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("WEFT_ETCD");
  app.add_option("--ca", flags.ca, "with https: who is trusted, PEM; else the system's");
  app.add_option("--certificate", flags.certificate, "with https: the client's own, PEM");
  app.add_option("--key", flags.key, "with https: the certificate's key, PEM");
  app.add_option("--user", flags.user, "etcd's user");
  app.add_option("--password-file", flags.password_file, "a file that holds the user's password");
  app.add_option("--folder", flags.folder, "the registry's folder, where it is one of files");
  app.add_option("--config", flags.config, "else: the node's configuration, whose registry it is")
      ->envname("WEFT_CONFIG")
      ->capture_default_str();
}

tl::expected<Place, std::string> find_place(const PlaceFlags& flags) {
  if (!flags.folder.empty() && !flags.etcd.empty()) {
    return tl::make_unexpected(std::string("expected one of --etcd or --folder"));
  }
  if (!flags.folder.empty()) {
    return Place{.etcd = {}, .folder = flags.folder};
  }
  if (flags.etcd.empty()) {
    return read_config(flags.config);
  }
  etcd::Options options;
  options.endpoints = flags.etcd;
  options.ca_file = flags.ca;
  options.cert_file = flags.certificate;
  options.key_file = flags.key;
  options.user = flags.user;
  return with_password(std::move(options), flags.password_file);
}

}  // namespace weft::registrar
