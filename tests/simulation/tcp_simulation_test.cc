// SPDX-License-Identifier: Apache-2.0
/// @file Engines that talk over bad networks, as seeds have it. Each seed is a run of its own: tcp_scenario.h.
///
///   WEFT_SEEDS=1-1000 test-tcp-simulation      other seeds than the usual
///   WEFT_SEED=7 test-tcp-simulation            one, with every segment and event
///   WEFT_PCAP=7.pcap WEFT_SEED=7 ...           and its segments in a file for tcpdump
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tcp_scenario.h"

namespace weft::simulation {
namespace {

constexpr uint64_t kEnough = 400;   ///< seeds, to meet all that is rare
constexpr uint64_t kRunTwice = 16;  ///< one seed in so many
constexpr int kProgressEvery = 5;   // seconds

struct Seeds {
  uint64_t first = 1;
  uint64_t last = 2000;
};

const char* variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Seeds seeds_to_run() {
  Seeds seeds;
  if (const std::string range = variable("WEFT_SEEDS"); !range.empty()) {
    const size_t dash = range.find('-');
    seeds.first = std::stoull(range);
    seeds.last = dash == std::string::npos ? seeds.first : std::stoull(range.substr(dash + 1));
  }
  return seeds;
}

std::string names(Troubles troubles) {
  std::string names;
  for (size_t i = 0; i < kTroubles.size(); ++i) {
    if ((troubles >> i & 1) != 0) {
      names += (names.empty() ? "" : ", ") + std::string(kTroubles[i]);
    }
  }
  return names.empty() ? "none" : names;
}

/// What is wrong; empty: nothing.
std::string run(uint64_t seed, Troubles allowed, Trace& trace, Summary& summary) {
  try {
    summary = run_scenario(seed, allowed, trace);
  } catch (const Violation& violation) {
    return violation.what();
  }
  return {};
}

/// A failure without its numbers.
std::string kind_of(std::string failure) {
  std::erase_if(failure, [](char each) { return each >= '0' && each <= '9'; });
  return failure.substr(0, failure.find(';'));
}

/// Leaves out one trouble after the other, as long as it still fails that way. @returns those it takes
Troubles shrink(uint64_t seed, const std::string& failure) {
  Troubles needed = draw_scenario(seed, kAllTroubles).troubles;
  for (size_t i = 0; i < kTroubles.size(); ++i) {
    const Troubles fewer = needed & ~(1U << i);
    Trace trace;
    Summary summary;
    if (fewer != needed && kind_of(run(seed, fewer, trace, summary)) == kind_of(failure)) {
      needed = fewer;
    }
  }
  return needed;
}

std::string report(uint64_t seed, const std::string& what) {
  const Troubles needed = shrink(seed, what);
  Trace trace;
  Summary summary;
  const std::string shrunk = run(seed, needed, trace, summary);
  return "seed " + std::to_string(seed) + ": " + what + "\nit takes: " + names(needed) +
         " (WEFT_TROUBLES=" + std::to_string(needed) + "), and then: " + shrunk + "\n" + trace.last_lines();
}

/// Or the test shows little.
void expect_variety(const Summary& all) {
  EXPECT_GT(all.clean, all.sessions / 2);
  EXPECT_GT(all.retransmitted, all.segments / 100);
  const tcp::Counters& counters = all.counters.front();
  const std::pair<const char*, uint64_t> seen[] = {
      {"predicted", counters.predicted},
      {"accepted", counters.accepted},
      {"closed", counters.closed},
      {"resets received", counters.resets_received},
      {"timeouts", counters.timeouts},
      {"cookies accepted", counters.cookies_accepted},
      {"TIME-WAITs recycled", counters.time_waits_recycled},
      {"fast recoveries", counters.fast_recoveries},
      {"retransmission timeouts", counters.rto_fired},
      {"tail probes", counters.tail_probes},
      {"spurious recoveries", counters.spurious},
      {"window probes", counters.window_probes},
      {"keepalives", counters.keepalives},
      {"black holes", counters.black_holes},
      {"out of order", counters.out_of_order},
      {"duplicates", counters.duplicates},
      {"unacceptable", counters.unacceptable},
      {"out of memory", counters.out_of_memory},
  };
  for (const auto& [what, count] : seen) {
    EXPECT_GT(count, 0U) << what;
  }
}

void add(tcp::Counters& sum, const tcp::Counters& counters) {
  using Numbers = std::array<uint64_t, sizeof(tcp::Counters) / sizeof(uint64_t)>;
  auto numbers = std::bit_cast<Numbers>(sum);
  const auto more = std::bit_cast<Numbers>(counters);
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] += more[i];
  }
  sum = std::bit_cast<tcp::Counters>(numbers);
}

TEST(TcpSimulation, HoldsOnBadNetworks) {
  if (*variable("WEFT_SEED") != 0) {
    return;
  }
  const Seeds seeds = seeds_to_run();
  const auto start = std::chrono::steady_clock::now();
  auto told = start;
  Summary all;
  uint64_t harsh = 0;
  for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    Trace trace;
    Summary summary;
    const std::string broken = run(seed, kAllTroubles, trace, summary);
    ASSERT_EQ(broken, "") << report(seed, broken);
    if (seed % kRunTwice == 0) {
      Trace again;
      Summary second;
      run(seed, kAllTroubles, again, second);
      ASSERT_EQ(again.hash(), trace.hash()) << "seed " << seed << ": another run of it is another";
    }
    all.bytes += summary.bytes;
    all.segments += summary.segments;
    all.retransmitted += summary.retransmitted;
    for (const tcp::Counters& counters : summary.counters) {
      add(all.counters.front(), counters);
    }
    all.sessions += summary.sessions;
    all.clean += summary.clean;
    harsh += summary.harsh ? 1 : 0;
    const auto now = std::chrono::steady_clock::now();
    if (now - told > std::chrono::seconds(kProgressEvery)) {
      told = now;
      std::printf("seed %lu of %lu to %lu\n", seed, seeds.first, seeds.last);
      std::fflush(stdout);
    }
  }
  const uint64_t count = seeds.last - seeds.first + 1;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "%lu seeds in %.1f s; of each: %lu bytes, %lu segments, %lu retransmitted; %u sessions, %u clean; %lu harsh\n",
      count, seconds, all.bytes / count, all.segments / count, all.retransmitted / count, all.sessions, all.clean,
      harsh);
  if (count >= kEnough) {
    expect_variety(all);
  }
}

/// One seed, to be looked at.
TEST(TcpSimulation, ShowsASeed) {
  const std::string seed = variable("WEFT_SEED");
  if (seed.empty()) {
    return;
  }
  const std::string troubles = variable("WEFT_TROUBLES");
  Trace trace;
  trace.print();
  if (const std::string file = variable("WEFT_PCAP"); !file.empty()) {
    trace.write_pcap(file);
  }
  Summary summary;
  const Troubles allowed = troubles.empty() ? kAllTroubles : static_cast<Troubles>(std::stoul(troubles));
  EXPECT_EQ(run(std::stoull(seed), allowed, trace, summary), "");
  std::printf("troubles: %s\n", names(draw_scenario(std::stoull(seed), allowed).troubles).c_str());
}

}  // namespace
}  // namespace weft::simulation
