// SPDX-License-Identifier: Apache-2.0
#include "tcp_scenario.h"

#include <algorithm>

namespace weft::simulation {
namespace {

constexpr uint32_t kClient = 0;
constexpr uint32_t kServer = 1;
constexpr uint32_t kRelay = 2;
constexpr uint64_t kUsualBytes = 200'000;
constexpr uint32_t kSendMemory = 2 << 20;  ///< bytes of a host's applications
constexpr Time kLimit = 12h;               ///< of virtual time
/// Beyond such loss, handshakes and data may be given up.
constexpr double kHarshLoss = 0.05;

/// The first session's, as a host names it.
tcp::SocketPair first_pair(const SessionPlan& session, uint32_t host) {
  const uint32_t peer = host != kClient ? kClient : session.relayed ? kRelay : kServer;
  const lb::Port listens = lb::port_from_host(session.relayed ? kRelayPort : kServerPort);
  const lb::Port server_port = session.simultaneous ? session.client_port : listens;
  return {.local = Host::address_of(host, session.family),
          .remote = Host::address_of(peer, session.family),
          .local_port = host == kClient ? session.client_port : server_port,
          .remote_port = host == kClient ? server_port : session.client_port};
}

struct FirstSegment {
  tcp::Seq sequence;
  uint32_t timestamp = 0;
};

/// What a host would begin a connection with then.
FirstSegment first_segment(const HostConfig& host, const tcp::SocketPair& pair, Time now) {
  tcp::Config small;
  small.connections = small.half_open = small.time_waits = small.ranges = 16;
  small.pieces = 64;
  tcp::Engine engine(small, host.secret, now);
  tcp::Output output;
  engine.connect(pair, 0, now);
  engine.flush(now, output);
  const tcp::Transmission& syn = output.segments.at(0);
  const tcp::Options options = tcp::decode_options({syn.options.data(), syn.options_length});
  return {syn.sequence, options.timestamps.value_or(tcp::Timestamps{}).value};
}

/// Draws what a seed's run is like. Every choice is drawn whether it is allowed or not, so that leaving one trouble out
/// leaves the others as they are.
class Draw {
 public:
  Draw(uint64_t seed, Troubles allowed) : random_(seed), allowed_(allowed) {}

  Scenario make() {
    scenario_.harsh = false;
    const bool relay = trouble(Trouble::relay, 25);
    draw_sessions(relay);
    draw_hosts();
    draw_paths();
    return std::move(scenario_);
  }

 private:
  /// Is it to be?
  bool trouble(Trouble which, unsigned percent) {
    const Troubles bit = 1U << static_cast<unsigned>(which);
    const bool drawn = random_.chance(percent);
    if (drawn && (allowed_ & bit) != 0) {
      scenario_.troubles |= bit;
      return true;
    }
    return false;
  }
  double share(double least, double most) {
    return least + (most - least) * static_cast<double>(random_.below(1000)) / 1000;
  }

  Habits habits(uint64_t bytes) {
    Habits habits;
    habits.bytes = bytes;
    habits.write_size = random_.of_any_size(std::max<uint64_t>(bytes / 2000, 1), 1 << 20);
    const Time write_pause = random_.between(100us, 50ms);
    if (trouble(Trouble::pauses, 30)) {
      habits.write_pause = write_pause * std::min<int64_t>(1, static_cast<int64_t>(bytes));
      habits.write_size = std::max<uint64_t>(habits.write_size, bytes / 200);
    }
    habits.read_size = random_.of_any_size(1, 1 << 20);
    const Time read_pause = random_.between(100us, 100ms);
    if (trouble(Trouble::slow_readers, 25)) {
      habits.read_pause = read_pause;
    }
    const uint64_t stall_at = random_.below(kUsualBytes);
    const Time stall = random_.between(100ms, 90s);
    if (trouble(Trouble::stalls, 10)) {
      habits.stall_at = stall_at;
      habits.stall = stall;
    }
    return habits;
  }

  void draw_sessions(bool relay) {
    const auto count = static_cast<uint32_t>(random_.one_of({1, 1, 1, 2, 3, 5, 8, 20}));
    const uint64_t in_all =
        random_.one_of({random_.below(2000), random_.below(kUsualBytes), random_.between(kUsualBytes, 2 * kUsualBytes),
                        random_.between(kUsualBytes, 2 * kUsualBytes), random_.between(kUsualBytes, 2 * kUsualBytes)});
    for (uint32_t i = 0; i < count; ++i) {
      SessionPlan plan;
      plan.family = random_.chance(50) ? lb::Family::ipv4 : lb::Family::ipv6;
      plan.start = random_.between(Time{}, random_.one_of<Time>({0s, 10ms, 3s, 100s}));
      const uint64_t bytes = in_all / count;
      const uint64_t of_client = random_.one_of<uint64_t>({0, bytes / 100, bytes / 2, bytes});
      plan.client = habits(of_client);
      plan.server = habits(bytes - of_client);
      const bool relayed = random_.chance(60);
      plan.relayed = relay && relayed;
      plan.simultaneous = trouble(Trouble::simultaneous, 10) && !plan.relayed;
      plan.client.may_be_refused = plan.server.may_be_refused = plan.simultaneous;
      // Now and then a port that another session has, or had.
      const uint32_t port = random_.chance(10) && !plan.simultaneous ? 0 : i;
      plan.client_port = lb::port_from_host(static_cast<uint16_t>(1024 + port));
      draw_endings(plan);
      // A reader that takes a byte each time, at each turn a pause, would take hours.
      for (Habits* const each : {&plan.client, &plan.server}) {
        if (each->read_pause > Time{}) {
          each->read_size = std::max<uint64_t>(each->read_size, bytes / 300);
        }
      }
      scenario_.sessions.push_back(plan);
    }
  }

  void draw_endings(SessionPlan& plan) {
    using Ending = Habits::Ending;
    Habits* const sides[] = {&plan.client, &plan.server};
    const uint64_t first = random_.below(2);
    sides[first]->ending = Ending::shutdown;
    sides[1 - first]->ending = random_.one_of({Ending::shutdown, Ending::follow, Ending::close});
    const uint64_t rude = random_.below(2);
    if (trouble(Trouble::hang_ups, 8)) {
      sides[rude]->ending = Ending::hang_up;
    }
    const uint64_t abort_at = random_.below(plan.client.bytes + plan.server.bytes + 1);
    if (trouble(Trouble::aborts, 8)) {
      sides[rude]->ending = Ending::abort;
      sides[rude]->abort_at = abort_at;
    }
  }

  void draw_hosts() {
    const bool batching = trouble(Trouble::batching, 40);
    const bool options = trouble(Trouble::options, 35);
    const bool small_buffers = trouble(Trouble::small_buffers, 50);
    const bool few_pieces = trouble(Trouble::few_pieces, 10);
    const bool few_places = trouble(Trouble::few_places, 8);
    const bool refusals = trouble(Trouble::refusals, 10);
    const bool keepalive = trouble(Trouble::keepalive, 15);
    const bool wrap = trouble(Trouble::wrap, 40);
    const bool forgeries = trouble(Trouble::forgeries, 15);
    const bool real_bytes = trouble(Trouble::real_bytes, 50);
    for (HostConfig& host : scenario_.hosts) {
      tcp::Config& tcp = host.tcp;
      tcp.connections = 64;
      tcp.half_open = 32;
      tcp.time_waits = 64;
      tcp.pieces = 8192;
      tcp.ranges = 512;
      tcp.listeners = 4;
      tcp.receive_buffer = 256 << 10;
      tcp.send_buffer = 1 << 20;
      host.buffers = 4096;
      host.send_buffer_bytes = static_cast<uint32_t>(random_.one_of({2048, 2048, 2048, 600, 9000, 65'535}));
      host.send_buffers = std::max(kSendMemory / host.send_buffer_bytes, 64U);
      tcp.mtu = static_cast<uint16_t>(random_.one_of({1500, 1500, 1500, 1400, 1280, 2000}));
      const Time poll = random_.of_any_size(1, 5'000) * 1us;
      const auto batch = static_cast<uint32_t>(random_.one_of({1, 2, 8, 32, 64}));
      const auto budget = static_cast<uint32_t>(random_.one_of({1, 3, 16}));
      if (batching) {
        host.poll_every = poll;
        host.batch = batch;
        host.budget = budget;
      }
      const uint64_t bits = random_.bits();
      if (options) {
        tcp.timestamps = (bits & 1) != 0;
        tcp.selective_acks = (bits & 2) != 0;
        tcp.window_scale = (bits & 4) != 0;
      }
      const auto receive = static_cast<uint32_t>(random_.of_any_size(4096, 1 << 20));
      const auto send = static_cast<uint32_t>(random_.of_any_size(4096, 1 << 20));
      if (small_buffers) {
        tcp.receive_buffer = receive;
        tcp.send_buffer = send;
      }
      const auto pieces = static_cast<uint32_t>(random_.of_any_size(64, 1024));
      if (few_pieces) {
        tcp.pieces = pieces;
      }
      const auto half_open = static_cast<uint32_t>(random_.between(1, 3));
      const auto time_waits = static_cast<uint32_t>(random_.between(1, 3));
      const auto time_wait = tcp::Config::Duration(random_.one_of({1000, 10'000, 60'000}));
      if (few_places) {  // data that overtakes a cookie is answered by a reset, and so is a FIN after TIME-WAIT
        scenario_.harsh = true;
        tcp.half_open = half_open;
        tcp.time_waits = time_waits;
        tcp.time_wait = time_wait;
      }
      const auto refused = static_cast<unsigned>(random_.between(1, 10));
      host.refusals = refusals ? refused : 0;
      host.real_bytes = real_bytes;
      host.forgeries = forgeries ? 5 : 0;
      const auto idle = random_.between(1, 60);
      if (keepalive) {
        tcp.keepalive_idle = std::chrono::seconds(idle);
      }
      tcp.max_ranges = static_cast<uint16_t>(random_.one_of({1, 4, 16, 64}));
      tcp.delayed_ack = tcp::Config::Duration(random_.one_of({1, 40, 40, 200}));
      for (uint8_t& byte : host.secret.key) {
        byte = static_cast<uint8_t>(random_.bits());
      }
      host.clock = random_.between(1h, 2000h);
    }
    draw_wraps(wrap);
  }

  /// Clocks, so that what counts modulo 2^32 wraps soon after the first session began: its sequence numbers, its
  /// timestamps, or the engine's milliseconds or microseconds.
  void draw_wraps(bool wrap) {
    const SessionPlan& session = scenario_.sessions.front();
    for (const uint32_t host : {kClient, kServer, kRelay}) {
      const uint64_t what = random_.below(4);
      const uint64_t bytes = random_.below(50'000);
      const Time early = random_.between(Time{}, 1s);
      if (!wrap) {
        continue;
      }
      HostConfig& config = scenario_.hosts[host];
      const tcp::SocketPair pair = first_pair(session, host);
      const FirstSegment first = first_segment(config, pair, config.clock + session.start);
      switch (what) {
        case 0:  // RFC 6528: one each 4 microseconds
          config.clock += 4us * (uint32_t{0} - static_cast<uint32_t>(bytes) - first.sequence.value);
          break;
        case 1:
          config.clock += 1ms * (uint32_t{0} - first.timestamp) - early;
          break;
        case 2:
          config.clock = 1ms * (int64_t{1} << 32) - session.start - early;
          break;
        default:
          config.clock = 1us * (int64_t{5} << 32) - session.start - early;
      }
    }
  }

  void draw_paths() {
    const bool loss = trouble(Trouble::loss, 55);
    const double most_loss = random_.one_of({0.01, 0.01, kHarshLoss, kHarshLoss, 0.3});
    const bool bursts = trouble(Trouble::bursts, 10);
    const bool duplication = trouble(Trouble::duplication, 25);
    const bool reordering = trouble(Trouble::reordering, 30);
    const bool corruption = trouble(Trouble::corruption, 15);
    const bool jitter = trouble(Trouble::jitter, 30);
    const bool rate = trouble(Trouble::rate, 40);
    const bool small_loss = trouble(Trouble::small_loss, 6);
    const bool mtu = trouble(Trouble::mtu, 15);
    const bool black_hole = trouble(Trouble::black_hole, 30);
    const bool blackout = trouble(Trouble::blackout, 8);
    for (const auto& [from, to] : std::initializer_list<std::pair<uint32_t, uint32_t>>{{kClient, kServer},
                                                                                       {kServer, kClient},
                                                                                       {kClient, kRelay},
                                                                                       {kRelay, kClient},
                                                                                       {kRelay, kServer},
                                                                                       {kServer, kRelay}}) {
      PathConfig path;
      path.delay = random_.one_of<Time>({0us, 20us, 1ms, 10ms, 50ms, 200ms});
      const Time most_jitter = random_.between(1us, 20ms);
      const double lost = share(0, most_loss);
      const double enters = share(0.001, 0.02);
      const double leaves = share(0.1, 0.6);
      const double duplicated = share(0.001, 0.2);
      const double reordered = share(0.001, 0.3);
      const Time reorder_delay = random_.between(1us, 50ms);
      const double corrupted = share(0.001, 0.05);
      const uint64_t bits_per_second = random_.of_any_size(200'000, 1'000'000'000);
      const auto queue = static_cast<uint32_t>(random_.of_any_size(5'000, 500'000));
      const double small = share(0.01, random_.one_of({kHarshLoss, 0.3}));
      const auto most = static_cast<uint32_t>(random_.one_of({1280, 1300, 1400}));
      const Time dark_from = random_.between(Time{}, 5s);
      const Time dark_for = random_.one_of<Time>({500ms, 2s, 10s, 60s, 24h});
      if (loss) {
        path.loss = lost;
        scenario_.harsh |= lost > kHarshLoss;
      }
      if (bursts) {
        path.burst_begins = enters;
        path.burst_ends = leaves;
        scenario_.harsh = true;  // a burst goes on until packets have passed, as rare as they be
      }
      if (duplication) {
        path.duplication = duplicated;
      }
      if (reordering) {
        path.reordering = reordered;
        path.held_up = reorder_delay;
      }
      if (corruption) {
        path.corruption = corrupted;
      }
      if (jitter) {
        path.jitter = most_jitter;
      }
      if (rate) {
        path.bits_per_second = bits_per_second;
        path.queue_bytes = queue;
      }
      if (small_loss) {
        path.small_bytes = 100;
        path.small_loss = small;
        scenario_.harsh |= small > kHarshLoss;
      }
      if (mtu) {
        path.mtu = most;
        path.tells_too_big = !black_hole;
      }
      if (blackout) {
        path.dark_from = dark_from;
        path.dark_to = dark_from + dark_for;
        scenario_.harsh |= dark_for > 10s;
      }
      scenario_.paths[{from, to}] = path;
    }
  }

  Random random_;
  Troubles allowed_;
  Scenario scenario_;
};

void expect_nothing_left(const Host& host) {
  const tcp::Engine& engine = host.engine;
  const std::pair<const char*, uint32_t> left[] = {{"connections", engine.connections()},
                                                   {"half-open connections", engine.half_open()},
                                                   {"TIME-WAITs", engine.time_waits()},
                                                   {"pieces", engine.pieces()}};
  for (const auto& [what, count] : left) {
    if (count != 0) {
      throw Violation("host " + std::string(1, static_cast<char>('A' + host.index)) + ": in the end " +
                      std::to_string(count) + " " + what);
    }
  }
  if (!host.received.is_whole() || !host.written.is_whole()) {
    throw Violation("host " + std::string(1, static_cast<char>('A' + host.index)) + ": buffers are missing");
  }
}

}  // namespace

Scenario draw_scenario(uint64_t seed, Troubles allowed) {
  return Draw(seed, allowed).make();
}

Summary run_scenario(uint64_t seed, Troubles allowed, Trace& trace) {
  const Scenario scenario = draw_scenario(seed, allowed);
  World world(trace);
  Host& client = world.add(scenario.hosts[kClient], seed + 1);
  Host& server = world.add(scenario.hosts[kServer], seed + 2);
  Host& relay = world.add(scenario.hosts[kRelay], seed + 3);
  Host* const hosts[] = {&client, &server, &relay};
  uint64_t link = 0;
  for (const auto& [ends, path] : scenario.paths) {
    world.join(*hosts[ends.first], *hosts[ends.second], path, seed * 8 + link++);
  }
  Sessions sessions(client, server, &relay, scenario.sessions, scenario.harsh);
  world.run_application(client, sessions.client());
  world.run_application(server, sessions.server());
  world.run_application(relay, sessions.relay());
  world.run_out(kLimit);
  sessions.expect_all_done();
  Summary summary{.hash = trace.hash(),
                  .bytes = sessions.bytes_read(),
                  .segments = trace.segments(),
                  .sessions = static_cast<uint32_t>(scenario.sessions.size()),
                  .clean = sessions.clean(),
                  .harsh = scenario.harsh,
                  .took = world.now(),
                  .troubles = scenario.troubles};
  for (const Host* const host : hosts) {
    expect_nothing_left(*host);
    summary.retransmitted += host->engine.counters().retransmitted;
    summary.counters[host->index] = host->engine.counters();
  }
  return summary;
}

}  // namespace weft::simulation
