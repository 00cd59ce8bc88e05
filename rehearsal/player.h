// SPDX-License-Identifier: Apache-2.0
/// @file Plays a scenario on a node, and watches it meanwhile: one thread, nothing that waits without a bound.
///
/// Whatever happens, what it has begun it ends: faults are stopped, what can be undone is undone, loads are ended; on
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT too, which are its own while it plays, and cut short what it waits for of the
/// node. If weftctl itself is killed, a fault ends by its time to live.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rehearsal/child.h"
#include "rehearsal/ledger.h"
#include "rehearsal/node_client.h"
#include "rehearsal/report.h"

namespace weft::rehearsal {

/// Why there is no report.
struct PlayRefusal {
  bool unreachable = false;  ///< the node; else the scenario is not one for it,
  bool interrupted = false;  ///< or nobody wants it any more
  std::string message;
};

class Player {
 public:
  /// @param says_progress a line to standard error as steps begin and end
  Player(const Scenario& scenario, const NodeClient& node, bool says_progress);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  /// To be called once.
  tl::expected<Outcome, PlayRefusal> play();
  const Ledger& ledger() const { return ledger_; }
  /// The node went away, or could not be asked.
  bool lost_node() const { return lost_node_; }

 private:
  using Clock = std::chrono::steady_clock;
  /// In which a command's end, or a signal, is noticed.
  static constexpr Millis kTurn{20};

  tl::expected<void, PlayRefusal> prepare();
  tl::expected<void, PlayRefusal> follow();
  tl::expected<void, PlayRefusal> learn_callers();
  PlayRefusal refusal_of(const AskFailure& failure);
  void play_steps();
  void begin_step(size_t step);
  void end_step(size_t step);
  void begin_fault(size_t step);
  void end_fault(size_t step);
  void begin_load(size_t step);
  void end_load(size_t step);
  /// Faults and loads whose time is over: while a command is waited for.
  void end_due();
  void bound_outputs();
  /// @returns whether it ended in time and well
  bool run(size_t step, const std::string& command, bool may_be_interrupted);
  void look();
  /// Takes what has come, for so long at most, or until there is something.
  void watch_for(Millis most);
  /// No wait is cut short by another one: what was begun is ended, and the node heard out.
  void take_signals();
  void take_lines();
  void drain();
  void cut_short(std::string why);
  void lose_node(const AskFailure& failure);
  bool over() const { return interrupted_ || !problem_.empty(); }
  void say(const Step& step, std::string_view what) const;

  const Scenario& scenario_;
  NodeClient node_;
  const bool says_progress_;
  std::map<lb::Address, std::set<std::string>> callers_;
  Ledger ledger_;
  std::vector<StepOutcome> outcomes_;
  std::map<size_t, Child> loads_;
  std::set<size_t> under_way_;
  int stream_ = -1;
  int signals_ = -1;
  std::string input_;
  bool following_ = false;
  bool interrupted_ = false;
  bool lost_node_ = false;
  std::string problem_;
  Clock::time_point start_;
};

}  // namespace weft::rehearsal
