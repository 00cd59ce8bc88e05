// SPDX-License-Identifier: Apache-2.0
#include "registrar/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "registrar/agreement.h"
#include "registrar/etcd_store.h"
#include "registrar/register.h"
#include "registrar/store.h"
#include "registrar/usage.h"
#include "registrar/validate.h"
#include "registry-sync/yaml_document.h"

namespace weft::registrar {
namespace {

constexpr int kRefused = 1;
constexpr int kWronglyCalled = 64;  // EX_USAGE of sysexits.h
constexpr int kCannotReach = 69;    // EX_UNAVAILABLE

int fail(int code, const std::string& error) {
  fmt::print(stderr, "error: {}\n", error);
  return code;
}

int refuse(const std::vector<registry::Diagnostic>& errors) {
  for (const registry::Diagnostic& error : errors) {
    fmt::print(stderr, "error: {}\n", to_string(error));
  }
  return kRefused;
}

/// All of the standard input, within the bound of a registry's file.
tl::expected<std::string, std::string> read_input() {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return tl::make_unexpected(std::string(std::strerror(errno)));  // half a text may be a good one
    }
    if (count == 0) {
      return text;
    }
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > registry::kMaxFileBytes) {
      return tl::make_unexpected(fmt::format("expected {} bytes at most", registry::kMaxFileBytes));
    }
  }
}

int put_all(Store& store, const std::string& file) {
  const bool is_input = file == "-";
  std::string text;
  if (is_input) {
    tl::expected<std::string, std::string> input = read_input();
    if (!input) {
      return fail(kRefused, "standard input: " + input.error());
    }
    text = std::move(*input);
  } else {
    tl::expected<std::string, registry::ReadFailure> read = registry::read_text_file(file);
    if (!read) {
      return fail(kRefused, file + ": " + read.error().message);
    }
    text = std::move(*read);
  }
  const std::string from = is_input ? "standard input" : file;
  const auto documents = read_documents(from, text);
  if (!documents) {
    return refuse(documents.error());
  }
  if (documents->empty()) {
    return fail(kRefused, from + ": there are no documents in it");
  }
  const auto files = store.files();
  if (!files) {
    return fail(kCannotReach, files.error());
  }
  if (const auto errors = disagreements(*files, from, text, *documents); !errors.empty()) {
    return refuse(errors);
  }
  for (const Document& document : *documents) {
    const auto before = store.get(document.id);
    if (!before) {
      return fail(kCannotReach, before.error());
    }
    const bool same = *before && (*before)->problem.empty() && (*before)->content == document.content;
    if (const auto done = same ? Store::Result<void>() : store.put(document); !done) {
      return fail(kCannotReach, done.error());
    }
    fmt::print("{} {}\n", to_string(document.id), !*before ? "created" : same ? "unchanged" : "configured");
  }
  return 0;
}

void print_content(const Document& document, const std::string& form, bool separated) {
  if (form == "json") {
    fmt::print("{}\n", document.content.dump(2));
  } else {
    fmt::print("{}{}", separated ? "---\n" : "", as_yaml(document.content));
  }
}

/// "namespace/name"; a name alone is in namespace default.
DocumentName name_called(const std::string& kind, const std::string& text) {
  const size_t slash = text.find('/');
  return slash == std::string::npos
             ? DocumentName{.kind = kind, .name_space = "default", .name = text}
             : DocumentName{.kind = kind, .name_space = text.substr(0, slash), .name = text.substr(slash + 1)};
}

int get(Store& store, const std::string& kind, const std::string& name, const std::string& form) {
  if (!name.empty()) {
    const DocumentName id = name_called(kind, name);
    const auto document = store.get(id);
    if (!document) {
      return fail(kCannotReach, document.error());
    }
    if (!*document) {
      return fail(kRefused, "there is no " + to_string(id));
    }
    if (!(*document)->problem.empty()) {
      return fail(kRefused, (*document)->problem);
    }
    print_content(**document, form, false);
    return 0;
  }
  const auto documents = store.list(kind);
  if (!documents) {
    return fail(kCannotReach, documents.error());
  }
  int code = 0;
  bool first = true;
  Json items = Json::array();
  for (const Document& document : *documents) {
    if (!document.problem.empty()) {
      code = fail(kRefused, document.problem);
    } else if (form == "yaml") {
      print_content(document, form, !std::exchange(first, false));
    } else if (form == "json") {
      items.push_back(document.content);
    } else {
      fmt::print("{}/{}\n", document.id.name_space, document.id.name);
    }
  }
  if (form == "json") {
    fmt::print("{}\n", Json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", items}}.dump(2));
  }
  return code;
}

int remove(Store& store, const std::string& kind, const std::string& name) {
  const DocumentName id = name_called(kind, name);
  const auto removed = store.remove(id);
  if (!removed) {
    return fail(kCannotReach, removed.error());
  }
  if (!*removed) {
    return fail(kRefused, "there is no " + to_string(id));
  }
  fmt::print("{} deleted\n", to_string(id));
  return 0;
}

int deregister(const PlaceFlags& flags, const std::string& service, const std::string& id) {
  const tl::expected<std::string, std::string> name = service_called(service);
  if (!name) {
    return fail(kWronglyCalled, name.error());
  }
  const tl::expected<Place, std::string> place = find_place(flags);
  if (!place || !place->etcd) {
    return fail(kWronglyCalled,
                !place ? place.error() : "a registry of files has no registrations: name one in etcd (--etcd)");
  }
  const auto client = etcd::Client::make(*place->etcd);
  if (!client) {
    return fail(kWronglyCalled, "etcd: " + client.error());
  }
  const etcd::Result<bool> removed = remove_key(**client, instance_key(*name, id));
  if (!removed) {
    return fail(kCannotReach, to_string(removed.error()));
  }
  if (!*removed) {
    return fail(kRefused, "service " + *name + " has no registration " + registry::in_quotes(id));
  }
  fmt::print("{}/{} deregistered\n", *name, id);
  return 0;
}

/// @param use what is done with the store
template <typename Use>
int with_store(const PlaceFlags& flags, Use use) {
  const tl::expected<Place, std::string> place = find_place(flags);
  if (!place) {
    return fail(kWronglyCalled, place.error());
  }
  const auto store = Store::open(*place);
  if (!store) {
    return fail(kWronglyCalled, store.error());
  }
  return use(**store);
}

/// @param use what is done with the store and the kind
template <typename Use>
int with_kind(const PlaceFlags& flags, const std::string& word, Use use) {
  const tl::expected<std::string, std::string> kind = kind_called(word);
  if (!kind) {
    return fail(kWronglyCalled, kind.error());
  }
  return with_store(flags, [&](Store& store) { return use(store, *kind); });
}

void add_register_flags(CLI::App& app, RegisterFlags& flags) {
  app.add_option("--service", flags.instance.service, "NAMESPACE/NAME, or a name in namespace default")->required();
  app.add_option("--address", flags.instance.addresses, "where the program is reached; one of a family")
      ->required()
      ->expected(1, 2)
      ->allow_extra_args(false);
  app.add_option("--port", flags.instance.ports, "8080, or of several ports of the service http:8080, dns:53/UDP")
      ->allow_extra_args(false)
      ->required();
  app.add_option("--id", flags.instance.id, "of the instance in its service; else made of address and port");
  app.add_option("--weight", flags.instance.weight, "its share of new flows")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--zone", flags.instance.zone, "where it is");
  app.add_option("--hostname", flags.instance.host_name, "what operators know it by");
  app.add_option("--ttl", flags.time_to_live_s, "seconds until it is gone when nobody renews it")
      ->check(CLI::Range(2, 3600))
      ->capture_default_str();
  app.add_option("--check", flags.check.what, "http://ADDRESS:PORT/PATH, tcp://ADDRESS:PORT or exec:COMMAND");
  app.add_option("--check-interval", flags.check.interval)->capture_default_str();
  app.add_option("--check-timeout", flags.check.timeout)->capture_default_str();
  app.add_option("--rise", flags.check.rise, "checks in a row that pass, after it failed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--fall", flags.check.fall, "checks in a row that fail")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("command", flags.command, "the program and its words, behind --")->required();
}

}  // namespace

const std::vector<CommandText> kOwnCommands = {
    {"register", "--service <service> --address <address> --port <port> [<flags>] -- <command>",
     "run a program, and have it in etcd while it runs and its check passes"},
    {"deregister", "<service> <id>", "take an instance out of etcd"},
    {"apply", "-f <file>|-", "put resources into the registry, or renew them"},
    {"get", "<kind> [<namespace>/<name>] [-o yaml|json]", "resources as the registry has them"},
    {"delete", "<kind> <namespace>/<name>", "take a resource out of the registry"},
    {"validate", "-f <file>|<folder>|- [--json]",
     "say whether resources are fit for a registry, as weftd --check does"},
};

bool is_own(const std::vector<std::string>& words) {
  if (words.empty()) {
    return false;
  }
  const bool of_node =
      words.size() > 1 && (words[1] == "httproute" || words[1] == "grpcroute" || words[1] == "gateway");
  const bool asks_form =
      std::any_of(words.begin(), words.end(), [](const std::string& word) { return word.starts_with("-o"); });
  return std::any_of(kOwnCommands.begin(), kOwnCommands.end(),
                     [&](const CommandText& each) { return each.words == words[0]; }) &&
         (words[0] != "get" || !of_node || asks_form);
}

int run_own(const std::vector<std::string>& words) {
  if (words[0] == "validate") {
    return validate({words.begin() + 1, words.end()});
  }
  CLI::App app("weftctl: works on a registry", "weftctl");
  app.require_subcommand(1);
  PlaceFlags place;
  RegisterFlags flags;
  std::string file;
  std::string kind;
  std::string name;
  std::string form;
  int code = 0;
  const auto add = [&](const char* word) {
    const auto at = std::find_if(kOwnCommands.begin(), kOwnCommands.end(),
                                 [&](const CommandText& each) { return each.words == word; });
    CLI::App* command = app.add_subcommand(word, std::string(at->does));
    add_place_flags(*command, place);
    return command;
  };
  CLI::App* registering = add("register");
  add_register_flags(*registering, flags);
  registering->final_callback([&] { code = run_registered(std::move(flags), place); });
  CLI::App* deregistering = add("deregister");
  deregistering->add_option("service", kind, "NAMESPACE/NAME")->required();
  deregistering->add_option("id", name, "of the instance")->required();
  deregistering->final_callback([&] { code = deregister(place, kind, name); });
  CLI::App* applying = add("apply");
  applying->add_option("-f,--file", file, "YAML or JSON, any number of documents; \"-\": the standard input")
      ->required();
  applying->final_callback([&] { code = with_store(place, [&](Store& store) { return put_all(store, file); }); });
  CLI::App* getting = add("get");
  getting->add_option("kind", kind)->required();
  getting->add_option("name", name, "NAMESPACE/NAME; else all are listed");
  getting->add_option("-o,--output", form, "of one that is named, yaml by default")
      ->check(CLI::IsMember({"yaml", "json"}));
  getting->final_callback([&] {
    code = with_kind(place, kind, [&](Store& store, const std::string& each) { return get(store, each, name, form); });
  });
  CLI::App* deleting = add("delete");
  deleting->add_option("kind", kind)->required();
  deleting->add_option("name", name, "NAMESPACE/NAME")->required();
  deleting->final_callback([&] {
    code = with_kind(place, kind, [&](Store& store, const std::string& each) { return remove(store, each, name); });
  });
  try {
    // CLI11 takes them from the end.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return tell(app, error, kWronglyCalled);
  }
  return code;
}

}  // namespace weft::registrar
