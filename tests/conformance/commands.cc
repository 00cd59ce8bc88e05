// SPDX-License-Identifier: Apache-2.0
/// @file What a script has the application do, and what it asserts.
#include <map>

#include "runner.h"
#include "tcp/connection.h"

namespace weft::conformance {
namespace {

using tcp::Counters;
using tcp::State;

const std::map<std::string, State> kStates = {
    {"closed", State::closed},           {"syn_sent", State::syn_sent},     {"syn_received", State::syn_received},
    {"established", State::established}, {"fin_wait_1", State::fin_wait_1}, {"fin_wait_2", State::fin_wait_2},
    {"closing", State::closing},         {"close_wait", State::close_wait}, {"last_ack", State::last_ack},
};

const std::map<std::string, uint16_t> kEvents = {
    {"none", 0},
    {"accepted", tcp::event::accepted},
    {"connected", tcp::event::connected},
    {"readable", tcp::event::readable},
    {"writable", tcp::event::writable},
    {"peer_closed", tcp::event::peer_closed},
    {"closed", tcp::event::closed},
    {"reset", tcp::event::reset},
    {"timed_out", tcp::event::timed_out},
    {"unreachable", tcp::event::unreachable},
};

const std::map<std::string, uint64_t Counters::*> kCounters = {
    {"segments_received", &Counters::segments_received},
    {"segments_sent", &Counters::segments_sent},
    {"bytes_received", &Counters::bytes_received},
    {"bytes_sent", &Counters::bytes_sent},
    {"predicted", &Counters::predicted},
    {"accepted", &Counters::accepted},
    {"connected", &Counters::connected},
    {"closed", &Counters::closed},
    {"resets_received", &Counters::resets_received},
    {"resets_sent", &Counters::resets_sent},
    {"timeouts", &Counters::timeouts},
    {"cookies_sent", &Counters::cookies_sent},
    {"cookies_accepted", &Counters::cookies_accepted},
    {"half_open_expired", &Counters::half_open_expired},
    {"refused", &Counters::refused},
    {"time_waits_recycled", &Counters::time_waits_recycled},
    {"retransmitted", &Counters::retransmitted},
    {"fast_recoveries", &Counters::fast_recoveries},
    {"rto_fired", &Counters::rto_fired},
    {"tail_probes", &Counters::tail_probes},
    {"spurious", &Counters::spurious},
    {"window_probes", &Counters::window_probes},
    {"keepalives", &Counters::keepalives},
    {"black_holes", &Counters::black_holes},
    {"out_of_order", &Counters::out_of_order},
    {"duplicates", &Counters::duplicates},
    {"unacceptable", &Counters::unacceptable},
    {"paws_dropped", &Counters::paws_dropped},
    {"bad_acknowledgments", &Counters::bad_acknowledgments},
    {"challenges", &Counters::challenges},
    {"out_of_memory", &Counters::out_of_memory},
    {"invalid", &Counters::invalid},
};

template <typename Value>
Value named(const std::map<std::string, Value>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) {
    throw Failure("no such name: " + name);
  }
  return found->second;
}

template <typename Value>
std::string name_of(const std::map<std::string, Value>& names, Value value) {
  for (const auto& [name, each] : names) {
    if (each == value) {
      return name;
    }
  }
  return "?";
}

const std::string& word(const Step& step, size_t index) {
  if (index >= step.words.size()) {
    throw Failure("a word is missing");
  }
  return step.words[index];
}

}  // namespace

void Runner::command(const Step& step) {
  if (!call(step) && !assert_that(step)) {
    throw Failure("no such command: " + step.words[0]);
  }
}

tcp::ConnectionId Runner::id_of(const Step& step) {
  const Peer& of = peer(step.connection);
  if (!of.id) {
    throw Failure("there is no connection yet");
  }
  return *of.id;
}

/// @returns false: it is none of the calls
bool Runner::call(const Step& step) {
  const std::string& name = step.words[0];
  Peer& of = peer(step.connection);
  const bool fails = step.words.back() == "fails";
  if (name == "listen") {
    if (!engine_.listen(of.pair().local, of.pair().local_port, 7)) {
      throw Failure("listen() failed");
    }
  } else if (name == "unlisten") {
    engine_.stop_listening(of.pair().local, of.pair().local_port);
  } else if (name == "connect") {
    const std::optional<tcp::ConnectionId> id = engine_.connect(of.pair(), 1, now_);
    if (id.has_value() == fails) {
      throw Failure(fails ? "connect() did not fail" : "connect() failed");
    }
    of.id = id ? id : of.id;
  } else if (name == "write") {
    id_of(step);
    if (write(of, parse_number(word(step, 1))) == fails) {
      throw Failure(fails ? "write() did not fail" : "write() failed");
    }
  } else if (name == "read") {
    read(of, word(step, 1) == "all" ? engine_.readable(id_of(step)) : parse_number(word(step, 1)));
  } else if (name == "shutdown") {
    engine_.shutdown(id_of(step));
  } else if (name == "close") {
    engine_.close(id_of(step));
  } else if (name == "abort") {
    engine_.abort(id_of(step));
  } else if (name == "renew") {
    of.renew(parse_sequence(word(step, 1)).number);
  } else if (name == "icmp") {
    static const std::map<std::string, tcp::NetworkError::Kind> kKinds = {
        {"too-big", tcp::NetworkError::Kind::too_big},
        {"hard", tcp::NetworkError::Kind::hard},
        {"soft", tcp::NetworkError::Kind::soft},
    };
    tcp::NetworkError error{.pair = of.pair(), .sequence = of.ours(parse_sequence(word(step, 3)))};
    error.kind = named(kKinds, word(step, 1));
    if (step.words.size() > 4) {
      error.mtu = static_cast<uint16_t>(parse_number(word(step, 5)));
    }
    engine_.input(error, now_, output_);
    collect();
  } else {
    return name == "nothing";
  }
  return true;
}

/// @returns false: it is none of the assertions
bool Runner::assert_that(const Step& step) {
  const std::string& name = step.words[0];
  const auto check = [&](uint64_t value) {
    check_number(step, value);
    return true;
  };
  if (name == "event") {
    check_events(step);
    return true;
  }
  if (name == "state") {
    check_state(step);
    return true;
  }
  if (name == "counter") {
    for (size_t i = 1; i < step.words.size(); i += 2) {
      const uint64_t value = engine_.counters().*named(kCounters, word(step, i));
      if (value != parse_number(word(step, i + 1))) {
        throw Failure(word(step, i) + " is " + std::to_string(value));
      }
    }
    return true;
  }
  if (name == "at_end") {
    const bool is_at_end = engine_.is_at_end(id_of(step));
    if (is_at_end != (word(step, 1) == "yes")) {
      throw Failure(is_at_end ? "it is at its end" : "it is not at its end");
    }
    return true;
  }
  if (name == "readable") {
    return check(engine_.readable(id_of(step)));
  }
  if (name == "connections") {
    return check(engine_.connections());
  }
  if (name == "half_open") {
    return check(engine_.half_open());
  }
  if (name == "time_waits") {
    return check(engine_.time_waits());
  }
  if (name == "pieces") {
    return check(engine_.pieces());
  }
  if (name == "cwnd" || name == "ssthresh" || name == "mss") {
    const tcp::Connection* connection = engine_.look(id_of(step));
    const tcp::Details* details = engine_.details(id_of(step));
    if (connection == nullptr || details == nullptr) {
      throw Failure("the connection is gone");
    }
    return check(name == "cwnd"  ? connection->congestion_window
                 : name == "mss" ? connection->mss
                                 : details->slow_start_threshold);
  }
  return false;
}

/// "10", or "10..20"
void Runner::check_number(const Step& step, uint64_t value) {
  const std::string& text = word(step, 1);
  const size_t dots = text.find("..");
  const uint64_t least = parse_number(text.substr(0, dots));
  const uint64_t most = dots == std::string::npos ? least : parse_number(text.substr(dots + 2));
  if (value < least || value > most) {
    throw Failure("it is " + std::to_string(value));
  }
}

void Runner::check_events(const Step& step) {
  flush();  // events are told with it
  Peer& of = peer(step.connection);
  if (word(step, 1) == "any") {
    of.events = 0;
    return;
  }
  uint16_t expected = 0;
  for (size_t i = 1; i < step.words.size(); ++i) {
    expected |= named(kEvents, step.words[i]);
  }
  if (of.events != expected) {
    std::string told;
    for (const auto& [name, bit] : kEvents) {
      told += (of.events & bit) != 0 ? " " + name : "";
    }
    throw Failure("the events were" + (told.empty() ? " none" : told));
  }
  of.events = 0;
}

void Runner::check_state(const Step& step) {
  flush();
  const tcp::ConnectionId id = id_of(step);
  const std::string is = engine_.is_open(id) ? name_of(kStates, engine_.state(id)) : "gone";
  if (is != word(step, 1)) {
    throw Failure("it is " + is);
  }
}

}  // namespace weft::conformance
