// SPDX-License-Identifier: Apache-2.0
/// @file How an operator sees a worker's flows and relayed sessions, which the worker alone may touch: it is asked, and
/// copies some out.
///
/// One thread at a time asks; the worker answers a bounded number of records each turn. The records' room is taken by
/// the asker, so the worker allocates nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "flow/table.h"

namespace weft::runtime {

class FlowInquiry {
 public:
  struct Question {
    std::optional<lb::Tuple> key;         ///< the one flow with this tuple, in either direction; else any
    std::vector<uint32_t> service_slots;  ///< flows of one of these; none: of any
    uint32_t limit = 100;
  };

  struct Answer {
    std::vector<flow::FlowInfo> flows;
    time::Millis now = 0;  ///< the worker's time, which the flows' time stamps are to be seen by
  };

  /// The asker's side. @returns nothing if the worker did not answer in time (it is not running)
  std::optional<Answer> ask(const Question& question, std::chrono::milliseconds patience) {
    State before = state_.load(std::memory_order_acquire);
    const bool free = before == State::idle || before == State::answered;  // answered too late for who asked then
    if (!free || !state_.compare_exchange_strong(before, State::preparing)) {
      return std::nullopt;  // an earlier question was never answered
    }
    question_ = question;
    answer_.flows.clear();
    answer_.flows.reserve(question.limit);
    at_ = 0;
    stage_ = Stage::ipv4;
    state_.store(State::asked, std::memory_order_release);
    for (const auto deadline = std::chrono::steady_clock::now() + patience;
         state_.load(std::memory_order_acquire) != State::answered;) {
      if (std::chrono::steady_clock::now() > deadline) {
        return std::nullopt;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    Answer answer = std::move(answer_);
    state_.store(State::idle, std::memory_order_release);
    return answer;
  }

  /// The worker's side: one turn's share of the work. @param visit_sessions called with a place, a number of places and
  /// what to call with each FlowInfo of a session there; returns the next place, 0: there is none
  template <typename VisitSessions>
  void answer(const flow::FlowTable4& flows4, const flow::FlowTable6& flows6, uint64_t seed, time::Millis now,
              VisitSessions visit_sessions) {
    if (state_.load(std::memory_order_acquire) != State::asked) [[likely]] {
      return;
    }
    switch (stage_) {
      case Stage::ipv4:
        at_ = look(flows4, seed, now);
        break;
      case Stage::ipv6:
        at_ = look(flows6, seed, now);
        break;
      case Stage::sessions:
        at_ = visit_sessions(at_, kSessionsATurn, [this](const flow::FlowInfo& session) {
          if (answer_.flows.size() < question_.limit && is_asked_for(session)) {
            answer_.flows.push_back(session);
          }
        });
        break;
    }
    const bool through = at_ == 0 && stage_ == Stage::sessions;
    if (at_ == 0 && !through) {
      stage_ = stage_ == Stage::ipv4 ? Stage::ipv6 : Stage::sessions;
    }
    if (through || answer_.flows.size() >= question_.limit) {
      answer_.now = now;
      state_.store(State::answered, std::memory_order_release);
    }
  }
  /// Of a worker without sessions.
  void answer(const flow::FlowTable4& flows4, const flow::FlowTable6& flows6, uint64_t seed, time::Millis now) {
    answer(flows4, flows6, seed, now, [](uint32_t, uint32_t, auto) { return 0U; });
  }

 private:
  static constexpr uint32_t kRecordsATurn = 1024;  // 64 KiB to look at, in order: some microseconds
  static constexpr uint32_t kSessionsATurn = 128;  // four lines each, wherever they lie
  enum class State : uint8_t { idle, preparing, asked, answered };
  enum class Stage : uint8_t { ipv4, ipv6, sessions };  ///< where it is looked for

  /// @returns where to go on; 0: it is through
  template <typename Key>
  uint32_t look(const flow::FlowTable<Key>& flows, uint64_t seed, time::Millis now) {
    if (!question_.key) {
      return visit(flows, now);
    }
    if (question_.key->source.is<typename Key::Address>()) {
      find(flows, lb::key_of<Key>(*question_.key), seed, now);
    }
    return 0;
  }
  template <typename Key>
  void find(const flow::FlowTable<Key>& flows, const Key& key, uint64_t seed, time::Millis now) {
    const flow::Ref found = flows.find(key, hash_of(key, seed), {}, now);
    if (found && question_.limit > 0 && is_asked_for(flows[found])) {
      answer_.flows.push_back(flow::info_of(flows[found]));
    }
  }
  template <typename Key>
  uint32_t visit(const flow::FlowTable<Key>& flows, time::Millis now) {
    return flows.visit(at_, kRecordsATurn, now, [this](const flow::Flow<Key>& flow) {
      if (answer_.flows.size() < question_.limit && is_asked_for(flow)) {
        answer_.flows.push_back(flow::info_of(flow));
      }
    });
  }
  template <typename Key>
  bool is_asked_for(const flow::Flow<Key>& flow) const {
    if (flow.kind == flow::Kind::steered) {
      return false;  // its owner has it
    }
    const std::vector<uint32_t>& slots = question_.service_slots;
    return slots.empty() || std::find(slots.begin(), slots.end(), flow.service_slot) != slots.end();
  }
  bool is_asked_for(const flow::FlowInfo& session) const {
    const std::vector<uint32_t>& slots = question_.service_slots;
    return (!question_.key || session.request == *question_.key || session.reply == *question_.key) &&
           (slots.empty() || std::find(slots.begin(), slots.end(), session.service_slot) != slots.end());
  }

  std::atomic<State> state_{State::idle};
  Question question_;
  Answer answer_;
  uint32_t at_ = 0;
  Stage stage_ = Stage::ipv4;
};

}  // namespace weft::runtime
