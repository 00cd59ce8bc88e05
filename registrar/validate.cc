// SPDX-License-Identifier: Apache-2.0
#include "registrar/validate.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "registrar/document.h"
#include "registrar/usage.h"
#include "registry-sync/check.h"
#include "registry-sync/yaml_document.h"

namespace weft::registrar {
namespace {

constexpr int kInvalid = 1;
constexpr int kUnreadable = 2;

/// One byte more than may be read at most says that there is too much.
std::string read_standard_input() {
  std::string text;
  char chunk[65536];
  while (text.size() <= registry::kMaxFileBytes && std::cin.read(chunk, sizeof chunk).gcount() > 0) {
    text.append(chunk, static_cast<size_t>(std::cin.gcount()));
  }
  return text;
}

/// Nothing at all is rather a pipe that broke than a registry that is fit.
tl::expected<registry::CheckReport, std::string> check_documents(const std::string& name, const std::string& text) {
  registry::CheckReport report = registry::check_text(name, text);
  if (report.errors.empty() && report.documents == 0) {
    return tl::make_unexpected(name + ": holds no document");
  }
  return report;
}

tl::expected<registry::CheckReport, std::string> check(const std::string& from) {
  if (from == "-") {
    return check_documents("standard input", read_standard_input());
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(from, ignored)) {
    registry::CheckReport report = registry::check(from);
    if (report.errors.empty() && report.files == 0) {
      return tl::make_unexpected(registry::escaped(from, 4096) + ": holds no *.yaml, *.yml or *.json");
    }
    return report;
  }
  const auto text = registry::read_text_file(from);
  if (!text) {
    return tl::make_unexpected(registry::escaped(from, 4096) + ": " + text.error().message);
  }
  return check_documents(registry::escaped(from, 4096), *text);
}

Json shown(const std::vector<registry::Diagnostic>& diagnostics) {
  Json list = Json::array();
  for (const registry::Diagnostic& each : diagnostics) {
    // Names of files may be any bytes; the rest is printable.
    list.push_back({{"file", registry::escaped(each.file, 4096)},
                    {"line", each.line},
                    {"field", each.field},
                    {"message", each.message}});
  }
  return list;
}

void print_text(const registry::CheckReport& report) {
  for (const registry::Diagnostic& each : report.errors) {
    fmt::print("{}\n", to_string(each));
  }
  for (const registry::Diagnostic& each : report.warnings) {
    fmt::print("warning: {}\n", to_string(each));
  }
  const auto counted = [](size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  if (report.errors.empty()) {
    fmt::print("good: {} in {}, {}\n", counted(report.documents, "document"), counted(report.files, "file"),
               counted(report.warnings.size(), "warning"));
  } else {
    fmt::print("not good: {}\n", counted(report.errors.size(), "error"));
  }
}

void print_json(const registry::CheckReport& report) {
  const Json answer = {{"valid", report.errors.empty()},     {"errors", shown(report.errors)},
                       {"warnings", shown(report.warnings)}, {"files", report.files},
                       {"documents", report.documents},      {"services", report.services},
                       {"endpoints", report.endpoints}};
  fmt::print("{}\n", answer.dump(2));
}

}  // namespace

int validate(const std::vector<std::string>& arguments) {
  CLI::App app("Says whether resources are fit for a registry, as `weftd --check` does; needs no node.",
               "weftctl validate");
  std::string from;
  bool json = false;
  app.add_option("-f,--filename", from, "a file, a registry folder, or - for standard input")->required();
  app.add_flag("--json", json, "answer as JSON");
  try {
    // CLI11 takes them from the end.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return tell(app, error, kUnreadable);
  }
  const tl::expected<registry::CheckReport, std::string> report = check(from);
  if (!report) {
    fmt::print(stderr, "{}\n", report.error());
    return kUnreadable;
  }
  json ? print_json(*report) : print_text(*report);
  return report->errors.empty() ? 0 : kInvalid;
}

}  // namespace weft::registrar
