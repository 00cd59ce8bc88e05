// SPDX-License-Identifier: Apache-2.0
/// @file What it costs to find a head's end and to read the head, beside llhttp reading the same bytes in the same run.
///
/// llhttp is given callbacks that note where each field lies, as a proxy would have to; weft's heads have the fields,
/// the names that weft acts on, the target taken apart, and the host in lower case.
#include <benchmark/benchmark.h>
#include <llhttp.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "buffer/heap.h"
#include "http/head_writer.h"
#include "http/http1.h"

namespace {

using namespace weft::http;

const std::string kSmallRequest = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kRequest =
    "GET /api/v1/orders/8271?expand=items HTTP/1.1\r\n"
    "Host: orders.default.svc.cluster.local\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    "Accept: application/json, text/plain\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "X-Request-Id: 6f1c2e0a-9d2b-4c55\r\n"
    "Cookie: session=Zm9vYmFyYmF6\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: 0\r\n\r\n";
const std::string kSmallResponse = "HTTP/1.1 204 No Content\r\n\r\n";
const std::string kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Mon, 30 Nov 2026 09:00:00 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 500\r\n"
    "Last-Modified: Sun, 29 Nov 2026 10:00:00 GMT\r\n"
    "Connection: keep-alive\r\n"
    "ETag: \"65f1c2e0-1f4\"\r\n"
    "Accept-Ranges: bytes\r\n\r\n";

std::string large(const std::string& first) {
  std::string head = first;
  for (int i = 0; i < 39; ++i) {
    head += "X-Application-Field-" + std::to_string(i) + ": " + std::string(20 + i, 'v') + "\r\n";
  }
  return head + "\r\n";
}
const std::string kLargeRequest = large("POST /upload HTTP/1.1\r\nHost: web.default\r\n");
const std::string kLargeResponse = large("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n");

constexpr size_t kBatch = 32;

/// Runs `once` on the bytes in batches, whose median is the figure: time given to others drops out.
template <typename Function>
void measure(benchmark::State& state, const std::string& text, Function once) {
  const std::string copies[] = {text, ' ' + text, "  " + text, "   " + text};  // no head is where the last was
  std::vector<uint64_t> batches;
  for (auto _ : state) {
    const uint64_t start = __rdtsc();
    for (size_t i = 0; i < kBatch; ++i) {
      std::string_view bytes = std::string_view(copies[i % 4]).substr(i % 4);
      benchmark::DoNotOptimize(bytes);
      if (!once(bytes)) {
        state.SkipWithError("refused");
        return;
      }
    }
    batches.push_back(__rdtsc() - start);
  }
  const auto median = batches.begin() + static_cast<ptrdiff_t>(batches.size() / 2);
  std::nth_element(batches.begin(), median, batches.end());
  const double cycles = static_cast<double>(*median) / kBatch;
  state.counters["bytes"] = static_cast<double>(text.size());
  state.counters["cycles_per_head"] = cycles;
  state.counters["cycles_per_byte"] = cycles / static_cast<double>(text.size());
}

template <typename Head, auto kParse>
void by_weft(benchmark::State& state, const std::string& text) {
  const auto head = std::make_unique<Head>();
  measure(state, text, [&](std::string_view bytes) {
    size_t from = 0;
    const size_t end = find_end(bytes, from);
    const Defect defect = kParse(bytes.substr(0, end), Limits{}, *head);
    benchmark::DoNotOptimize(head.get());
    return defect == Defect::none;
  });
}

struct Noted {
  std::string_view target;
  weft::lb::HttpField fields[kMaxFields];
  size_t count = 0;
  bool whole = false;
};

template <llhttp_type_t kType>
void by_llhttp(benchmark::State& state, const std::string& text) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_url = [](llhttp_t* parser, const char* at, size_t length) {
    static_cast<Noted*>(parser->data)->target = {at, length};
    return 0;
  };
  settings.on_header_field = [](llhttp_t* parser, const char* at, size_t length) {
    auto& noted = *static_cast<Noted*>(parser->data);
    noted.fields[noted.count].name = {at, length};
    return 0;
  };
  settings.on_header_value = [](llhttp_t* parser, const char* at, size_t length) {
    auto& noted = *static_cast<Noted*>(parser->data);
    noted.fields[noted.count++].value = {at, length};
    return 0;
  };
  settings.on_headers_complete = [](llhttp_t* parser) {
    static_cast<Noted*>(parser->data)->whole = true;
    return static_cast<int>(HPE_PAUSED);
  };
  const auto noted = std::make_unique<Noted>();
  llhttp_t parser;
  measure(state, text, [&](std::string_view bytes) {
    llhttp_init(&parser, kType, &settings);
    parser.data = noted.get();
    noted->count = 0;
    noted->whole = false;
    llhttp_execute(&parser, bytes.data(), bytes.size());
    benchmark::DoNotOptimize(noted.get());
    return noted->whole;
  });
}

/// A request's head as it goes on: written anew, its fields as they came but for those of the hop.
void write(benchmark::State& state) {
  weft::buffer::HeapBuffers buffers(4, 2048);
  HeadWriter writer(buffers.pool());
  const auto head = std::make_unique<RequestHead>();
  parse_request(kRequest, {}, *head);
  measure(state, kRequest, [&](std::string_view) {
    writer.write(head->view.method);
    writer.write(" ");
    writer.write(head->target);
    writer.write(" HTTP/1.1\r\n");
    for (size_t i = 0; i < head->fields.size(); ++i) {
      if (!is_hop_by_hop(head->fields, i)) {
        writer.write_field(head->fields[i].name, head->fields[i].value);
      }
    }
    writer.write("\r\n");
    const bool done = !writer.slices().empty();
    writer.clear();
    return done;
  });
}

void add(const std::string& name, void (*run)(benchmark::State&, const std::string&), const std::string& text) {
  benchmark::RegisterBenchmark(("http-parse/" + name).c_str(), [=](benchmark::State& state) { run(state, text); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::pair<const char*, const std::string*> requests[] = {
      {"small", &kSmallRequest}, {"typical", &kRequest}, {"large", &kLargeRequest}};
  const std::pair<const char*, const std::string*> responses[] = {
      {"small", &kSmallResponse}, {"typical", &kResponse}, {"large", &kLargeResponse}};
  for (const auto& [size, text] : requests) {
    add(std::string("weft/request/") + size, by_weft<RequestHead, parse_request>, *text);
    add(std::string("llhttp/request/") + size, by_llhttp<HTTP_REQUEST>, *text);
  }
  for (const auto& [size, text] : responses) {
    add(std::string("weft/response/") + size, by_weft<ResponseHead, parse_response>, *text);
    add(std::string("llhttp/response/") + size, by_llhttp<HTTP_RESPONSE>, *text);
  }
  benchmark::RegisterBenchmark("http-parse/weft/write/typical", write);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
