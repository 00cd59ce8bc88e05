// SPDX-License-Identifier: Apache-2.0
/// @file Checks endpoints' health from a thread of its own, by libcurl: TCP connects and HTTP GETs.
///
/// Its packets are those of an ordinary process in weftd's network namespace: the kernel routes them to the endpoint's
/// own address, past every virtual address. No redirect is followed, no proxy of the environment asked, nothing kept
/// for the next check; of a response's body 64 KiB are read at most. What goes wrong at this end, such as too few file
/// descriptors, is nothing that the endpoint did: it is counted as inconclusive, and changes no verdict.
///
///     auto prober = Prober::start({.seed = seed}, [&](const auto& verdicts) { take(verdicts); });
///     prober->replace({{"default/web", targets}});
///
/// The sink runs on the prober's thread and must not call it. All other members may be called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "registry-sync/health_book.h"

namespace weft::registry {

class Prober {
 public:
  struct Options {
    uint64_t seed = 0;
    /// Checks under way at a time; more wait. With one that times out after a second, as many a second.
    size_t most_at_once = 256;
  };
  using Sink = std::function<void(const std::vector<CheckVerdict>&)>;

  struct Totals {
    size_t targets = 0;
    size_t under_way = 0;
    uint64_t passed = 0;
    uint64_t failed = 0;
    uint64_t inconclusive = 0;
    uint64_t late = 0;  ///< see HealthBook::late()
  };

  static tl::expected<std::unique_ptr<Prober>, std::string> start(Options options, Sink sink);
  /// Ends what is under way.
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  void replace(const CheckChanges& changes);
  /// @param service "namespace/name"; empty: all
  std::vector<CheckState> states(const std::string& service = "") const;
  Totals totals() const;

 private:
  class Curl;

  Prober(Options options, Sink sink, std::unique_ptr<Curl> curl);
  void run(const std::stop_token& stop);
  void begin_due();
  std::vector<CheckVerdict> finish_done();

  const Options options_;
  const Sink sink_;
  const std::unique_ptr<Curl> curl_;

  mutable std::mutex mutex_;
  HealthBook book_;  ///< under mutex_
  Totals totals_;    ///< under mutex_
  std::jthread thread_;
};

}  // namespace weft::registry
