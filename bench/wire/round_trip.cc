// SPDX-License-Identifier: Apache-2.0
/// @file How far apart two cores are: TSC cycles that a cache line takes to the other and back. bench-round-trip CORE
/// CORE
///
/// A virtual machine's cores move about under it: a moment ago they shared a cache, now they do not, and every packet
/// that passes from one to the other costs a hundred cycles more. scripts/bench wire asks before and after each trial.
/// Runs for some milliseconds, before everybody else if it may.
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "time/clock.h"

namespace {

constexpr uint32_t kTrips = 5000;

struct alignas(64) Line {
  std::atomic<uint32_t> value{0};
};

void move_to(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
  const sched_param first{.sched_priority = 2};
  sched_setscheduler(0, SCHED_FIFO, &first);  // without the right to it: as fast as it goes
}

void await(const Line& line, uint32_t value) {
  while (line.value.load(std::memory_order_acquire) != value) {
  }
}

uint64_t measure(int here, int there) {
  Line out;
  Line back;
  std::thread other([&] {
    move_to(there);
    for (uint32_t i = 1; i <= kTrips; ++i) {
      await(out, i);
      back.value.store(i, std::memory_order_release);
    }
  });
  move_to(here);
  uint64_t start = 0;
  for (uint32_t i = 1; i <= kTrips; ++i) {
    out.value.store(i, std::memory_order_release);
    await(back, i);
    start = i == 1 ? weft::time::TscClock::cycles() : start;
  }
  const uint64_t cycles = weft::time::TscClock::cycles() - start;
  other.join();
  return cycles / (kTrips - 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: bench-round-trip CORE CORE\n", stderr);
    return 64;
  }
  std::printf("%lu\n", measure(std::atoi(argv[1]), std::atoi(argv[2])));
  return 0;
}
