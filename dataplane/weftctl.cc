// SPDX-License-Identifier: Apache-2.0
// weftctl: wiring only. A command on a registry is carried out here (registrar/), and so is a rehearsal
// (rehearsal/); all others are the node's: they are sent to its runtime socket, and the answer is printed.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "ops/command_texts.h"
#include "registrar/commands.h"
#include "registrar/fault_flags.h"
#include "registrar/usage.h"
#include "rehearsal/commands.h"

namespace {

constexpr int kWronglyCalled = 64;  // EX_USAGE of sysexits.h
constexpr int kCannotConnect = 69;  // EX_UNAVAILABLE

int connect_to(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  path.copy(address.sun_path, path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return shutdown(fd, SHUT_WR) == 0;
}

/// Prints an answer as it comes: that of `trace` goes on for a while. An error goes to the error output.
/// @returns whether it was an error; nothing if there was no answer
std::optional<bool> print_answer(int fd, std::string_view error_mark) {
  std::string beginning;
  std::optional<bool> failed;
  std::array<char, 65536> buffer;
  for (ssize_t count; (count = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    const std::string_view piece(buffer.data(), static_cast<size_t>(count));
    if (failed) {
      fmt::print(*failed ? stderr : stdout, "{}", piece);
      std::fflush(stdout);
      continue;
    }
    beginning += piece;
    if (beginning.size() >= error_mark.size() || beginning.find('\n') != std::string::npos) {
      failed = beginning.starts_with(error_mark);
      fmt::print(*failed ? stderr : stdout, "{}", beginning);
      std::fflush(stdout);
    }
  }
  return failed;
}

/// Of both kinds, a line each; no node is asked.
std::string all_commands() {
  std::string text;
  const auto add = [&text](const auto& command) {
    const std::string line =
        fmt::format("{}{}{}", command.words, command.arguments.empty() ? "" : " ", command.arguments);
    text += fmt::format("  {}\n      {}\n", line, command.does);
  };
  text += "Commands of the node, by its runtime socket:\n";
  for (const auto& command : weft::ops::kCommandTexts) {
    add(command);
  }
  text += "\nRehearsals, which ask the node for what they need (docs/rehearsal.md):\n";
  add(weft::rehearsal::kRunText);
  text += "\nCommands on the registry, which need no node (\"weftctl apply --help\" has their flags):\n";
  for (const auto& command : weft::registrar::kOwnCommands) {
    add(command);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> called(argv + 1, argv + argc);
  if (weft::registrar::is_own(called)) {
    return weft::registrar::run_own(called);
  } else if (weft::rehearsal::is_run(called)) {
    return weft::rehearsal::run_scenario(called);
  }
  auto arguments = weft::registrar::with_fault_words(called);
  if (!arguments) {
    fmt::print(stderr, "error: {}\n", arguments.error());
    return kWronglyCalled;
  }
  CLI::App app("weftctl: asks or tells a node of the weft service mesh, or works on its registry");
  app.footer(all_commands());
  std::string socket_path = "/run/weft/weft.sock";
  bool json = false;
  std::vector<std::string> words;
  app.add_option("--socket", socket_path, "the node's runtime socket")->envname("WEFT_SOCKET")->capture_default_str();
  app.add_flag("--json", json, "answer as JSON");
  app.add_option("command", words, "the words of a command, such as: show services")->required();
  app.set_version_flag("--version", WEFT_VERSION);
  try {
    std::reverse(arguments->begin(), arguments->end());  // as CLI11 takes them
    app.parse(*arguments);
  } catch (const CLI::ParseError& error) {
    return weft::registrar::tell(app, error, kWronglyCalled);
  }
  if (words == std::vector<std::string>{"help"} && !json) {
    fmt::print("{}", all_commands());
    return 0;
  }

  const int fd = connect_to(socket_path);
  if (fd < 0) {
    fmt::print(stderr, "cannot reach weftd at {}: {}; is it running, and is this its socket (--socket)?\n", socket_path,
               std::strerror(errno));
    return kCannotConnect;
  }
  std::string line = json ? "json" : "";
  for (const std::string& word : words) {
    line += (line.empty() ? "" : " ") + word;
  }
  const auto failed =
      send_all(fd, line + "\n") ? print_answer(fd, json ? "{\"error\":" : "error: ") : std::optional<bool>();
  close(fd);
  if (!failed) {
    fmt::print(stderr, "weftd at {} closed the connection without an answer\n", socket_path);
    return kCannotConnect;
  }
  return *failed ? 1 : 0;
}
