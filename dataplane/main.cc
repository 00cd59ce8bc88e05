// SPDX-License-Identifier: Apache-2.0
// weftd: wiring only. Reads the configuration, starts the node, serves the runtime socket until it is told to stop.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

#include "node/config.h"
#include "node/node.h"
#include "ops/access_log.h"
#include "ops/commands.h"
#include "ops/server.h"
#include "registry-sync/check.h"
#include "registry-sync/check_source.h"

namespace {

using weft::registry::Diagnostic;

constexpr int kBadConfiguration = 64;  // EX_USAGE of sysexits.h
constexpr int kCannotStart = 69;       // EX_UNAVAILABLE

void print(const char* kind, const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) {
    fmt::print(stderr, "{}: {}\n", kind, to_string(diagnostic));
  }
}

std::string counted(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

int check(const std::string& file, const weft::node::Config& config) {
  if (config.etcd) {
    const auto report =
        weft::registry::check_source(file, *config.etcd, config.etcd_password_file, config.registry_cache);
    print("warning", report.warnings);
    print("error", report.errors);
    fmt::print("{}: the configuration; the registry is in etcd, which is not asked\n",
               report.errors.empty() ? "good" : "not good");
    return report.errors.empty() ? 0 : kBadConfiguration;
  }
  const auto report =
      weft::registry::check(config.registry, {.services = config.max_services, .endpoints = config.max_endpoints},
                            weft::node::abilities_of(config));
  print("warning", report.warnings);
  print("error", report.errors);
  fmt::print("{}: {} with {}, from {} in {}\n", report.errors.empty() ? "good" : "not good",
             counted(report.services, "service"), counted(report.endpoints, "endpoint"),
             counted(report.documents, "document"), counted(report.files, "file"));
  return report.errors.empty() ? 0 : kBadConfiguration;
}

/// Readable once somebody asks the process to stop. Before any thread starts, so that all of them leave it to this one.
int open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    sigaddset(&signals, each);
  }
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/// Clients of HTTP have so long to go elsewhere; a second signal ends it.
void drain(weft::node::Node& node, weft::ops::Server& server, int stop) {
  signalfd_siginfo heard;
  [[maybe_unused]] const ssize_t size = read(stop, &heard, sizeof heard);
  const std::chrono::seconds longest = node.config().http.drain;
  if (const uint64_t clients = node.http_clients(); clients > 0 && longest.count() > 0) {
    spdlog::info("draining {}, at most {} s; a second signal ends it", counted(clients, "client"), longest.count());
  }
  node.drain(true);
  const auto deadline = std::chrono::steady_clock::now() + longest;
  server.run(stop, [&] { return node.http_clients() == 0 || std::chrono::steady_clock::now() >= deadline; });
}

int run(const weft::node::Config& config) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("weftd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  const int stop = open_stop_signals();
  signal(SIGPIPE, SIG_IGN);  // whoever reads the log may go away
  weft::node::Node* serving = nullptr;
  // The socket first: where it is taken another weftd runs, whose interfaces must be left alone.
  auto server = weft::ops::Server::listen(
      config.socket, [&serving](std::string_view line) { return weft::ops::reply_to(*serving, line); });
  if (!server) {
    spdlog::error(server.error());
    return kCannotStart;
  }
  std::unique_ptr<weft::ops::LogFile> log_file;
  if (const auto& path = config.http.access_log; !path.empty()) {
    auto opened = weft::ops::LogFile::open(path);
    if (!opened) {
      spdlog::error("http.access_log: {}", opened.error());
      return kCannotStart;
    }
    log_file = std::move(*opened);
  }
  auto node = weft::node::Node::start(config);
  if (!node) {
    spdlog::error(node.error());
    return kCannotStart;
  }
  serving = node->get();
  spdlog::info("node {} is up: {} workers, runtime socket {}", config.node, config.cores.size(), config.socket);
  if ((*node)->has_pods()) {
    (*server)->also_watch((*node)->with_pods([](weft::pods::Pods& pods) { return pods.link_events(); }), [serving] {
      serving->with_pods([](weft::pods::Pods& pods) { pods.notice_link_changes(); });
    });
  }
  std::unique_ptr<weft::ops::AccessLog> access_log;
  if (log_file != nullptr) {
    auto started = weft::ops::AccessLog::start(**node, std::move(log_file));
    if (!started) {
      spdlog::error(started.error());
      return kCannotStart;
    }
    access_log = std::move(*started);
  }
  (*server)->run(stop);
  drain(**node, **server, stop);
  spdlog::info("stopping");
  (*server)->close_all();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("weftd: runs a node of the weft service mesh");
  std::string file;
  bool only_check = false;
  app.add_option("--config", file, "the node's configuration, a YAML file")->required();
  app.add_flag("--check", only_check,
               "validate the configuration and the registry's folder, or what it says of etcd; start and ask nothing");
  app.set_version_flag("--version", WEFT_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Of what is not known first: of what is missing, CLI11 speaks by itself.
    if (const auto unknown = app.remaining(); error.get_exit_code() != 0 && !unknown.empty()) {
      fmt::print(stderr, "error: {} is not known: --help says what is\n", unknown.front().substr(0, 100));
      return kBadConfiguration;
    }
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }

  const auto config = weft::node::load_config(file);
  if (!config) {
    print("error", config.error());
    return kBadConfiguration;
  }
  return only_check ? check(file, *config) : run(*config);
}
