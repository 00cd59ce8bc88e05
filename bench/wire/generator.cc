// SPDX-License-Identifier: Apache-2.0
/// @file Generates packets over memif, takes back what comes of them, and says how many were lost: the other core of
/// `scripts/bench wire`.
///
/// The generator is the clients and, as what it measures has one arm, the endpoints too. It waits for one client of its
/// memif, then answers each line of standard input with one of JSON on standard output:
///
///   in   FLOWS RATE MILLISECONDS [check]     RATE in packets a second; 0: as fast as there are buffers
///   out  {"offered": packets that were due, "refused": of those, for which there was no buffer, "received": came back,
///         "wrong": came back with a bad length or checksum, "untouched": came back to the virtual address (the last
///         two only with `check`), "seconds": that the sending took}
///
/// A packet that is due while the client's queue is full is lost, as on a wire. The generator's own delays do not
/// count: what came due meanwhile is not sent in one heap after it, but left out. Ends with its input, or with its
/// client.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>

#include "flows.h"
#include "memif.h"
#include "packet/checksum.h"
#include "packet/headers.h"
#include "time/clock.h"

namespace {

using namespace weft;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint32_t kBurst = 32;
constexpr uint32_t kMostTaken = 256;
constexpr double kMostDue = 2 * kBurst;
constexpr uint64_t kPollGap = 300;    // cycles to leave a queue alone in which there was nothing to do
constexpr milliseconds kSilence(20);  // after which what has not come back is lost
const bench::Flows::Service kService{lb::address_from_host(0x0a600001), lb::port_from_host(80)};  // 10.96.0.1:80

struct Order {
  uint32_t flows = 1;
  double rate = 0;
  milliseconds duration{0};
  bool check = false;
};

struct Result {
  uint64_t offered = 0;
  uint64_t refused = 0;
  uint64_t received = 0;
  uint64_t wrong = 0;
  uint64_t untouched = 0;
  double seconds = 0;
};

double tsc_hertz() {
  const auto start = steady_clock::now();
  const uint64_t before = time::TscClock::cycles();
  while (steady_clock::now() - start < milliseconds(50)) {
  }
  const uint64_t cycles = time::TscClock::cycles() - before;
  return static_cast<double>(cycles) / std::chrono::duration<double>(steady_clock::now() - start).count();
}

void check(std::span<const std::byte> frame, Result& result) {
  const std::byte* ip = frame.data() + sizeof(packet::EthernetHeader);
  const auto* header = packet::view<packet::Ipv4Header>(ip);
  if (frame.size() != bench::Flows::kFrameLength || !packet::verify_plain_ipv4(header)) {
    ++result.wrong;
    return;
  }
  const auto length = static_cast<uint16_t>(packet::swap16(header->total_length) - sizeof *header);
  const uint64_t pseudo = packet::pseudo_header_sum(header->source, header->destination, header->protocol, length);
  if (length > frame.size() || packet::fold(packet::sum_of({ip + sizeof *header, length}, pseudo)) != 0xffff) {
    ++result.wrong;
  }
  result.untouched += header->destination == kService.address ? 1 : 0;
}

/// Offers what is due and takes what is there, until the time is over and nothing comes any more.
class Trial {
 public:
  Trial(bench::MemifServer& wire, bench::Flows& flows, const Order& order, double hertz)
      : wire_(wire), flows_(flows), order_(order), hertz_(hertz) {}

  Result run() {
    const uint64_t start = time::TscClock::cycles();
    const uint64_t duration = cycles_in(order_.duration);
    uint64_t now = start;
    for (uint64_t before = start; now - start < duration; before = now) {
      now = time::TscClock::cycles();
      if (order_.rate == 0) {
        flood(now);
      } else {
        due_ = std::min(kMostDue, due_ + order_.rate * static_cast<double>(now - before) / hertz_);
        offer();
      }
      take(now);
    }
    result_.seconds = static_cast<double>(now - start) / hertz_;
    const uint64_t silence = cycles_in(kSilence);
    for (uint64_t last = now; result_.received + result_.refused < result_.offered && now - last < silence;) {
      now = time::TscClock::cycles();
      last = take(now) > 0 ? now : last;
    }
    return result_;
  }

 private:
  uint64_t cycles_in(std::chrono::duration<double> time) const { return static_cast<uint64_t>(time.count() * hertz_); }

  uint32_t send(uint32_t count) {
    return wire_.send(count, bench::Flows::kFrameLength, [this](std::byte* buffer) { flows_.write_next(buffer); });
  }

  void flood(uint64_t now) {
    if (now < next_offer_) {
      return;
    }
    const uint32_t sent = send(kBurst);
    result_.offered += sent;
    next_offer_ = sent < kBurst ? now + kPollGap : now;
  }

  void offer() {
    if (const auto count = std::min(kBurst, static_cast<uint32_t>(due_)); count > 0) {
      result_.offered += count;
      result_.refused += count - send(count);
      due_ -= count;
    }
  }

  uint32_t take(uint64_t now) {
    if (now < next_take_) {
      return 0;
    }
    const uint32_t count = order_.check ? wire_.receive(kMostTaken, [this](auto frame) { check(frame, result_); })
                                        : wire_.receive(kMostTaken, [](auto) {});
    result_.received += count;
    next_take_ = count == 0 ? now + kPollGap : now;
    return count;
  }

  bench::MemifServer& wire_;
  bench::Flows& flows_;
  const Order order_;
  const double hertz_;
  double due_ = 0;
  uint64_t next_offer_ = 0;
  uint64_t next_take_ = 0;
  Result result_;
};

bool parse(const std::string& line, Order& order) {
  std::istringstream words(line);
  int64_t duration = 0;
  std::string last;
  if (!(words >> order.flows >> order.rate >> duration) || order.flows == 0 || order.rate < 0 || duration < 0) {
    return false;
  }
  order.duration = milliseconds(duration);
  order.check = static_cast<bool>(words >> last);
  return !order.check || last == "check";
}

int serve(bench::MemifServer& wire) {
  const double hertz = tsc_hertz();
  std::unique_ptr<bench::Flows> flows;
  for (std::string line; std::getline(std::cin, line);) {
    Order order;
    if (!parse(line, order)) {
      std::fprintf(stderr, "not understood: %s\n", line.c_str());
      return 1;
    }
    if (flows == nullptr || flows->count() != order.flows) {
      flows = std::make_unique<bench::Flows>(order.flows, kService);
    }
    const Result result = Trial(wire, *flows, order, hertz).run();
    if (wire.gone()) {
      std::fputs("the memif's client went away\n", stderr);
      return 1;
    }
    std::printf(
        "{\"offered\": %lu, \"refused\": %lu, \"received\": %lu, \"wrong\": %lu, \"untouched\": %lu, \"seconds\": "
        "%f}\n",
        result.offered, result.refused, result.received, result.wrong, result.untouched, result.seconds);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("bench-generator: sends UDP over memif and counts what comes back");
  std::string socket;
  uint32_t patience = 10'000;
  app.add_option("--socket", socket, "where to listen for the memif's client")->required();
  app.add_option("--patience", patience, "milliseconds to wait for it");
  CLI11_PARSE(app, argc, argv);

  const auto wire = bench::MemifServer::accept(socket, milliseconds(patience));
  if (!wire) {
    std::fprintf(stderr, "%s\n", wire.error().c_str());
    return 1;
  }
  return serve(**wire);
}
