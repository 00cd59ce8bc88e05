// SPDX-License-Identifier: Apache-2.0
/// @file RFC 9293, section 3.10.7, SEGMENT ARRIVES: every state, with every combination of SYN, ACK, RST and FIN, with
/// and without payload, before, at, inside and beyond the window, and with acknowledgments of all kinds.
///
/// answer() below states the RFC's text (with RFC 5961) in its own order, without a look at the engine. Each cell of
/// the table becomes a script. Where weft departs from the RFC, the line says so.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runner.h"

namespace weft::conformance {
namespace {

enum class State {
  closed,
  listen,
  syn_sent,
  syn_received,  ///< of a listener
  syn_received_active,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

constexpr uint32_t kWindow = 65535;  ///< ours, that no opening has changed
constexpr uint32_t kPayload = 10;

/// A state, and how to get there.
struct Row {
  State state;
  const char* name;
  int64_t receive_next, unacknowledged, send_next;  ///< relative to the initial numbers
  std::string opening;
};

const std::string kAccepted =
    "+0 listen\n"
    "+0 < S 0 win 65535 [mss 1000]\n"
    "+0 > SA 0 ack 1\n"
    "+10 < A 1 ack 1\n";
const std::string kConnecting =
    "config timestamps off, selective_acks off, window_scale off\n"
    "+0 connect\n"
    "+0 > S 0\n";
const std::string kClosedFirst = kAccepted + "+0 shutdown\n+0 > FA 1 ack 1\n";
const std::string kPeerClosed = kAccepted + "+0 < FA 1 ack 1\n+0 > A 1 ack 2\n";

const std::vector<Row> kRows = {
    {State::closed, "closed", 0, 0, 0, ""},
    {State::listen, "listen", 0, 0, 0, "+0 listen\n"},
    {State::syn_sent, "syn_sent", 0, 0, 1, kConnecting},
    {State::syn_received, "half_open", 1, 0, 1, "+0 listen\n+0 < S 0 win 65535 [mss 1000]\n+0 > SA 0 ack 1\n"},
    {State::syn_received_active, "syn_received", 1, 0, 1, kConnecting + "+5 < S 0 win 65535\n+0 > SA 0 ack 1\n"},
    {State::established, "established", 1, 1, 101, kAccepted + "+0 write 100\n+0 > A 1:101 ack 1\n"},
    {State::fin_wait_1, "fin_wait_1", 1, 1, 2, kClosedFirst},
    {State::fin_wait_2, "fin_wait_2", 1, 2, 2, kClosedFirst + "+0 < A 1 ack 2\n"},
    {State::close_wait, "close_wait", 2, 1, 1, kPeerClosed},
    {State::closing, "closing", 2, 1, 2, kClosedFirst + "+0 < FA 1 ack 1\n+0 > A 2 ack 2\n"},
    {State::last_ack, "last_ack", 2, 1, 2, kPeerClosed + "+0 shutdown\n+0 > FA 1 ack 2\n"},
    {State::time_wait, "time_wait", 2, 2, 2, kClosedFirst + "+0 < FA 1 ack 2\n+0 > A 2 ack 2\n"},
};

struct Arriving {
  bool syn, ack, rst, fin;
  uint32_t payload;
  int64_t sequence;
  int64_t acknowledgment;

  int64_t length() const { return payload + (syn ? 1 : 0) + (fin ? 1 : 0); }
  std::string text() const {
    std::string flags = std::string(syn ? "S" : "") + (fin ? "F" : "") + (rst ? "R" : "") + (ack ? "A" : "");
    std::string line = "< " + (flags.empty() ? "-" : flags) + " " + std::to_string(sequence);
    line += payload > 0 ? ":" + std::to_string(sequence + payload) : "";
    return line + (ack ? " ack " + std::to_string(acknowledgment) : "");
  }
};

/// What must follow: the segment that is sent (empty: none), when, and the state.
struct Answer {
  State state;
  std::string sent;
  int after = 0;  ///< ms
};

std::string acknowledge(int64_t sequence, int64_t next) {
  return "> A " + std::to_string(sequence) + " ack " + std::to_string(next);
}
std::string reset(const Arriving& arriving) {
  return arriving.ack ? "> R " + std::to_string(arriving.acknowledgment)
                      : "> RA =0 ack " + std::to_string(arriving.sequence + arriving.length());
}

/// Section 3.10.7.1.
Answer answer_closed(const Arriving& arriving) {
  return {State::closed, arriving.rst ? "" : reset(arriving)};
}

/// Section 3.10.7.2.
Answer answer_listen(const Arriving& arriving) {
  if (arriving.rst) {
    return {State::listen, ""};
  }
  if (arriving.ack) {
    return {State::listen, reset(arriving)};
  }
  // Departs: the RFC would take a SYN with a FIN; no honest peer sends one, and it is dropped.
  if (arriving.syn && !arriving.fin) {
    return {State::syn_received, "> SA 0 ack " + std::to_string(arriving.sequence + 1)};
  }
  return {State::listen, ""};
}

/// Section 3.10.7.3.
Answer answer_syn_sent(const Arriving& arriving) {
  if (arriving.ack && (arriving.acknowledgment <= 0 || arriving.acknowledgment > 1)) {
    return {State::syn_sent, arriving.rst ? "" : reset(arriving)};
  }
  if (arriving.rst) {
    return {arriving.ack ? State::closed : State::syn_sent, ""};
  }
  if (!arriving.syn) {
    return {State::syn_sent, ""};
  }
  if (!arriving.ack) {  // what else it carries may wait
    return {State::syn_received_active, "> SA 0 ack 1"};
  }
  return {arriving.fin ? State::close_wait : State::established, acknowledge(1, arriving.sequence + arriving.length())};
}

/// Section 3.10.7.4, first: the table of four cases, of a window that is open.
bool is_acceptable(const Row& row, const Arriving& arriving) {
  const int64_t edge = row.receive_next + kWindow;
  const auto is_inside = [&](int64_t number) { return row.receive_next <= number && number < edge; };
  return is_inside(arriving.sequence) ||
         (arriving.length() > 0 && is_inside(arriving.sequence + arriving.length() - 1));
}

/// Fifth: the state that the acknowledgment makes.
State acknowledged(const Row& row, const Arriving& arriving) {
  const bool all = arriving.acknowledgment == row.send_next;
  switch (row.state) {
    case State::fin_wait_1:
      return all ? State::fin_wait_2 : row.state;
    case State::closing:
      return all ? State::time_wait : row.state;
    case State::last_ack:
      return all ? State::closed : row.state;
    default:
      return row.state;
  }
}

/// Seventh and eighth: text and FIN of a segment that begins in the window.
Answer take_text(State state, const Row& row, const Arriving& arriving) {
  if (arriving.payload == 0 && !arriving.fin) {
    return {state, ""};
  }
  const bool takes = state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
  if (!takes || arriving.sequence != row.receive_next) {
    // Beyond a gap: an acknowledgment at once (RFC 5681, section 4.2). Behind the peer's FIN: ignored; we say so.
    return {state, acknowledge(row.send_next, row.receive_next)};
  }
  const std::string sent = acknowledge(row.send_next, row.receive_next + arriving.length());
  if (!arriving.fin) {
    return {state, sent, 40};
  }
  switch (state) {
    case State::established:
      return {State::close_wait, sent};
    case State::fin_wait_1:
      return {State::closing, sent};
    default:
      return {State::time_wait, sent};
  }
}

/// Section 3.10.7.4.
Answer answer_synchronized(const Row& row, const Arriving& arriving) {
  const std::string challenge = acknowledge(row.send_next, row.receive_next);
  const bool receiving = row.state == State::syn_received || row.state == State::syn_received_active;
  if (row.state == State::syn_received && !arriving.rst && !arriving.syn) {
    // Departs: of a listener's handshake the acknowledgment is asked for first: without one, silence; with a wrong one,
    // a reset (section 3.5.2, second group), wherever the segment lies.
    if (!arriving.ack || arriving.acknowledgment != 1) {
      return {row.state, arriving.ack ? reset(arriving) : ""};
    }
  }
  if (!is_acceptable(row, arriving)) {
    if (arriving.rst) {
      return {row.state, ""};
    }
    // Departs: an acknowledgment in an old segment counts; the answer is the same, if anybody is left to give it.
    if (arriving.ack && !arriving.syn && !receiving && arriving.sequence <= row.receive_next &&
        arriving.acknowledgment == row.send_next) {
      const State state = acknowledged(row, arriving);
      return {state, state == State::closed ? "" : challenge};
    }
    return {row.state, challenge};
  }
  if (arriving.rst) {  // RFC 5961, section 3.2
    return arriving.sequence == row.receive_next ? Answer{State::closed, ""} : Answer{row.state, challenge};
  }
  if (arriving.syn) {  // section 4.2. Departs: a listener's handshake is not given up for a forged SYN.
    return {row.state, challenge};
  }
  if (!arriving.ack) {
    return {row.state, ""};
  }
  if (receiving) {
    return arriving.acknowledgment == 1 ? take_text(State::established, row, arriving)
                                        : Answer{row.state, reset(arriving)};
  }
  // RFC 5961, section 5. The peer's largest window was 65535.
  if (arriving.acknowledgment > row.send_next || arriving.acknowledgment < row.unacknowledged - 65535) {
    return {row.state, challenge};
  }
  const State state = acknowledged(row, arriving);
  return state == State::closed || (row.state == State::closing && state == State::time_wait)
             ? Answer{state, ""}
             : take_text(state, row, arriving);
}

/// TIME-WAIT knows where both sides ended, and no more. Departs: a reset does not end it (RFC 1337); a FIN is answered
/// wherever it lies; so is data, and an acknowledgment is not. A new SYN is scripts/c7-*.tcp's.
Answer answer_time_wait(const Row& row, const Arriving& arriving) {
  if (arriving.rst || arriving.length() == 0) {
    return {State::time_wait, ""};
  }
  return {State::time_wait, acknowledge(row.send_next, row.receive_next)};
}

Answer answer(const Row& row, const Arriving& arriving) {
  switch (row.state) {
    case State::closed:
      return answer_closed(arriving);
    case State::listen:
      return answer_listen(arriving);
    case State::syn_sent:
      return answer_syn_sent(arriving);
    case State::time_wait:
      return answer_time_wait(row, arriving);
    default:
      return answer_synchronized(row, arriving);
  }
}

std::string state_check(State state) {
  switch (state) {
    case State::closed:
    case State::listen:
      return "+0 connections 0\n& half_open 0\n& time_waits 0\n";
    case State::syn_received:
      return "+0 half_open 1\n& connections 0\n";
    case State::time_wait:
      return "+0 time_waits 1\n";
    default:
      return "+0 connections 1\n& state " +
             std::string(
                 std::find_if(kRows.begin(), kRows.end(), [&](const Row& row) { return row.state == state; })->name) +
             "\n";
  }
}

std::vector<int64_t> sequences(const Row& row) {
  if (row.receive_next == 0) {  // nothing to compare with
    return {0};
  }
  return {row.receive_next - 100, row.receive_next, row.receive_next + 100, row.receive_next + 70'000};
}

std::vector<int64_t> acknowledgments(const Row& row) {
  std::vector<int64_t> all = {row.unacknowledged - 70'000, row.unacknowledged - 1, row.unacknowledged, row.send_next,
                              row.send_next + 1};
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// Every combination of flags and payload.
std::vector<Arriving> segments(const Row& row) {
  std::vector<Arriving> all;
  for (unsigned flags = 0; flags < 32; ++flags) {
    Arriving arriving{};
    arriving.syn = (flags & 1) != 0;
    arriving.ack = (flags & 2) != 0;
    arriving.rst = (flags & 4) != 0;
    arriving.fin = (flags & 8) != 0;
    arriving.payload = (flags & 16) != 0 ? kPayload : 0;
    for (const int64_t sequence : sequences(row)) {
      arriving.sequence = sequence;
      for (const int64_t acknowledgment : arriving.ack ? acknowledgments(row) : std::vector<int64_t>{0}) {
        arriving.acknowledgment = acknowledgment;
        const bool is_new = row.state == State::time_wait && arriving.syn && !arriving.ack && !arriving.rst &&
                            sequence > row.receive_next;
        if (!is_new) {
          all.push_back(arriving);
        }
      }
    }
  }
  return all;
}

class SegmentArrives : public ::testing::TestWithParam<Row> {};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

TEST_P(SegmentArrives, IsAnsweredAsTheRfcSays) {
  const Row& row = GetParam();
  constexpr int kShown = 5;
  int cells = 0;
  int failed = 0;
  for (const Arriving& arriving : segments(row)) {
    const Answer expected = answer(row, arriving);
    std::string text = row.opening + "+0 " + arriving.text() + "\n";
    if (!expected.sent.empty()) {
      text += "+" + std::to_string(expected.after) + " " + expected.sent + "\n";
    }
    text += state_check(expected.state) + "& event any\n";
    for (const int family : {4, 6}) {
      try {
        Runner(parse_script(row.name, text), family, Start::plain).run();
      } catch (const Failure& failure) {
        if (++failed <= kShown) {
          ADD_FAILURE() << "IPv" << family << ", " << row.name << ": " << arriving.text() << "\n" << failure.what();
        }
        break;
      }
    }
    ++cells;
  }
  EXPECT_EQ(failed, 0) << "of " << cells;
  EXPECT_GE(cells, row.receive_next == 0 ? 30 : 300);
}

INSTANTIATE_TEST_SUITE_P(Tcp, SegmentArrives, ::testing::ValuesIn(kRows),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace weft::conformance
