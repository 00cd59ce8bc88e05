// SPDX-License-Identifier: Apache-2.0
/// @file What reading one small document costs: as an etcd's value in JSON, and as YAML.
#include <benchmark/benchmark.h>

#include "registry-sync/parse.h"
#include "registry-sync/yaml_document.h"

namespace {

using namespace weft;

constexpr std::string_view kDocument =
    R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web-4711","namespace":"shop","labels":{"app":"web"},)"
    R"("annotations":{"weft.dev/maglev-table-size":"251"}},"spec":{"clusterIP":"10.96.0.10","ports":[{"name":"http",)"
    R"("port":80,"protocol":"TCP"},{"name":"db","port":5432,"protocol":"TCP"}],"sessionAffinity":"None"}})";

void read(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    std::vector<registry::Diagnostic> errors;
    registry::for_each_document("f.yaml", text, errors,
                                [](const registry::YamlNode& node) { benchmark::DoNotOptimize(node.items.size()); });
    if (!errors.empty()) {
      state.SkipWithError("errors");
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void read_as_json(benchmark::State& state) {
  read(state, std::string(kDocument));
}
BENCHMARK(read_as_json);

void read_as_yaml(benchmark::State& state) {
  read(state, "--- " + std::string(kDocument));
}
BENCHMARK(read_as_yaml);

void parse_resource(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(registry::parse_document("/weft/v1/resources/Service/shop/web-4711", kDocument));
  }
}
BENCHMARK(parse_resource);

}  // namespace

BENCHMARK_MAIN();
