// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>

#include "registrar/usage.h"
#include "registry-sync/yaml_document.h"
#include "rehearsal/player.h"
#include "rehearsal/put_text.h"

namespace weft::rehearsal {
namespace {

constexpr int kMet = 0;
constexpr int kNotMet = 1;
constexpr int kWronglyCalled = 64;  // EX_USAGE of sysexits.h
constexpr int kRefused = 65;        // EX_DATAERR
constexpr int kNoNode = 69;         // EX_UNAVAILABLE
constexpr int kInterrupted = 130;   // as shells have it of SIGINT

struct RunFlags {
  std::string file;
  std::string socket = "/run/weft/weft.sock";
  std::string junit;
  bool json = false;
  bool check = false;
  bool allow_commands = false;
  bool quiet = false;
};

int refuse(int code, const std::string& error) {
  put_text(stderr, "error: " + error + "\n");
  return code;
}

/// Tried before the scenario is played: whoever can't have the report should learn of it before the mesh suffers.
bool can_write(const std::string& path) {
  return path.empty() || std::ofstream(path, std::ios::app).good();
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  return !file.flush().fail();
}

/// A CI that reads the file alone learns of it, too: an earlier run's is not left there.
int turn_down(const RunFlags& flags, int code, const std::string& scenario, const std::string& error) {
  if (!flags.junit.empty() && !flags.check && !write_file(flags.junit, refusal_as_junit(scenario, error))) {
    refuse(code, flags.junit + ": can't be written");
  }
  return refuse(code, error);
}

int code_of(const Outcome& outcome, bool lost_node) {
  return outcome.ending == Outcome::Ending::interrupted ? kInterrupted
         : lost_node                                    ? kNoNode
         : outcome.met()                                ? kMet
                                                        : kNotMet;
}

int play(const Scenario& scenario, const RunFlags& flags) {
  setenv("WEFT_SOCKET", flags.socket.c_str(), 1);  // for commands that call weftctl
  const NodeClient node(flags.socket);
  Player player(scenario, node, !flags.quiet);
  const auto outcome = player.play();
  if (!outcome) {
    const PlayRefusal& why = outcome.error();
    return turn_down(flags,
                     why.interrupted   ? kInterrupted
                     : why.unreachable ? kNoNode
                                       : kRefused,
                     scenario.name, why.message);
  }
  const std::string report =
      flags.json ? as_json(player.ledger(), *outcome).dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                 : as_text(player.ledger(), *outcome);
  bool is_told = true;
  if (!put_text(stdout, report)) {
    is_told = false;
    refuse(kNotMet, "the report can't be written to standard output");
  }
  if (!flags.junit.empty() && !write_file(flags.junit, as_junit(player.ledger(), *outcome))) {
    is_told = false;
    refuse(kNotMet, flags.junit + ": can't be written");
  }
  const int code = code_of(*outcome, player.lost_node());
  return code == kMet && !is_told ? kNotMet : code;
}

int run_flags(const RunFlags& flags) {
  const auto text = registry::read_text_file(flags.file);
  if (!text) {
    return turn_down(flags, kRefused, flags.file, flags.file + ": " + text.error().message);
  }
  const auto scenario = parse_scenario(flags.file, *text);
  if (!scenario) {
    std::string errors;
    for (const registry::Diagnostic& error : scenario.error()) {
      errors += (errors.empty() ? "" : "\nerror: ") + to_string(error);
    }
    return turn_down(flags, kRefused, flags.file, errors);
  }
  if (flags.check) {
    put_text(stdout,
             fmt::format("{}: {} steps, {} expectations, {} s{}\n", flags.file, scenario->steps.size(),
                         scenario->expectations.size(), std::chrono::duration<double>(scenario->duration).count(),
                         scenario->has_commands() ? "; runs commands" : ""));
    return kMet;
  }
  if (scenario->has_commands() && !flags.allow_commands) {
    return turn_down(flags, kRefused, scenario->name,
                     flags.file + ": runs commands; read it, and give --allow-commands if it may");
  }
  if (!can_write(flags.junit)) {
    return refuse(kWronglyCalled, flags.junit + ": can't be written");
  }
  return play(*scenario, flags);
}

}  // namespace

bool is_run(const std::vector<std::string>& words) {
  std::vector<std::string> own;
  for (size_t i = 0; i < words.size() && own.size() < 2; ++i) {
    if (words[i] == "--socket") {
      ++i;
    } else if (!words[i].starts_with("-")) {
      own.push_back(words[i]);
    }
  }
  return own == std::vector<std::string>{"fault", "run"};
}

int run_scenario(const std::vector<std::string>& words) {
  CLI::App app("weftctl: plays scenarios of failure on a node", "weftctl");
  RunFlags flags;
  app.require_subcommand(1);
  app.add_option("--socket", flags.socket, "the node's runtime socket")->envname("WEFT_SOCKET")->capture_default_str();
  app.add_flag("--json", flags.json, "report as JSON");
  CLI::App* fault = app.add_subcommand("fault", "faults that are injected on purpose")->fallthrough();
  fault->require_subcommand(1);
  CLI::App* run = fault->add_subcommand("run", std::string(kRunText.does))->fallthrough();
  run->add_option("scenario", flags.file, "docs/rehearsal.md has its fields")->required();
  run->add_flag("--check", flags.check, "only say whether the scenario can be read; needs no node");
  run->add_flag("--allow-commands", flags.allow_commands,
                "carry out its steps \"run\" and \"load\": commands for a shell");
  run->add_option("--junit", flags.junit, "write the expectations into this file, as JUnit's tests");
  run->add_flag("--quiet", flags.quiet, "do not tell on standard error as steps begin and end");
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return registrar::tell(app, error, kWronglyCalled);
  }
  return run_flags(flags);
}

}  // namespace weft::rehearsal
