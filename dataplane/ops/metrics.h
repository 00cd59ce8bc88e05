// SPDX-License-Identifier: Apache-2.0
/// @file Metrics in Prometheus' text exposition format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/).
///
///     Metrics metrics;
///     metrics.gauge("weft_registry_ready", "1: the registry was read").add(1);
///     metrics.counter("weft_packets_total", "by how they ended").add(7, {{"worker", "0"}, {"verdict", "request"}});
///
/// A family is begun once, and its samples are added before the next one is begun: so its lines stand together, as the
/// format asks. Names are the caller's to get right: the tests read all that a node says by the format's rules.
///
/// Pure. Not for workers: it allocates.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ops/counter_row.h"

namespace weft::ops {

class Metrics {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  /// Something that goes up and down. In base units: seconds, bytes.
  Metrics& gauge(std::string_view name, std::string_view help) { return begin(name, "gauge", help); }
  /// Something that only grows, from 0 when what it is about began: its name ends in "_total".
  Metrics& counter(std::string_view name, std::string_view help) { return begin(name, "counter", help); }

  /// A sample of the family begun last. Values of labels may be any text: it is escaped.
  template <std::integral Value>
  Metrics& add(Value value, Labels labels = {}) {
    return sample(std::to_string(value), labels);
  }
  Metrics& add(bool value, Labels labels = {}) { return sample(value ? "1" : "0", labels); }
  Metrics& add(double value, Labels labels = {});

  /// All of it, in lines with their ends.
  const std::string& text() const { return text_; }

 private:
  Metrics& begin(std::string_view name, std::string_view type, std::string_view help);
  Metrics& sample(std::string_view value, Labels labels);

  std::string text_;
  std::string name_;  ///< of the family begun last
};

/// A family a row that `show` has, by worker: "weft_<room>_<row>_total", where bytes are told by "_bytes".
/// @param books one a worker, with its number
/// @param is_gauge of a row's name
template <typename Rows, typename Books, typename IsGauge>
void add_counters(Metrics& metrics, std::string_view room, const Rows& rows,
                  const std::vector<std::pair<size_t, Books>>& books, IsGauge is_gauge) {
  constexpr std::string_view kBytes = "bytes_";
  for (const CounterRow<Books>& row : rows) {
    const bool gauge = is_gauge(row.name);
    std::string name = "weft_" + std::string(room) + "_";
    name += row.name.starts_with(kBytes) ? std::string(row.name.substr(kBytes.size())) + "_bytes" : row.name;
    const std::string help = std::string(row.unit) + ": " + std::string(row.meaning);
    gauge ? metrics.gauge(name, help) : metrics.counter(name + "_total", help);
    for (const auto& [worker, each] : books) {
      metrics.add(row.count(each), {{"worker", std::to_string(worker)}});
    }
  }
}

}  // namespace weft::ops
