// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a query, over UDP and TCP, and as what another name server answers.
///
/// Beyond crashes and reads past the message it looks for broken promises: an answer is a message that another reader
/// can read, it has the query's id and keeps within its bound, what is to be forwarded is unchanged, and what is
/// written for other servers reads as a query with the same question.
///
/// Input: a byte that chooses the bound and whether others are asked, and the message.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "dns/relayed.h"
#include "dns/responder.h"
#include "dns_message.h"
#include "dns_services.h"

namespace {

using namespace weft;

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

void check_forwarded(std::span<const std::byte> message, const dns::Query& query) {
  const std::span<const std::byte> question = dns::question_of(message, query);
  std::array<std::byte, dns::kMostForwarded> to;
  const size_t length = dns::write_forwarded(query, question, 0x1234, 1232, to);
  dns::Query again;
  require(dns::read_query(std::span(to).first(length), again) == dns::Reading::good, "a query that can be read");
  require(again.whole_name() == query.whole_name() && again.type == query.type && again.klass == query.klass,
          "the same question");
}

void check_adopted(std::span<const std::byte> input) {
  static const std::vector<std::byte> client = test::dns_query({.name = "www.example.org", .edns = 512});
  dns::Query query;
  dns::read_query(client, query);
  std::vector<std::byte> message(input.begin(), input.end());
  const std::span<const std::byte> question = dns::question_of(client, query);
  for (const size_t i : {size_t{0}, size_t{1}, size_t{2}, size_t{5}}) {  // what a fuzzer can't guess
    if (i < message.size()) {
      message[i] = i == 2 ? message[i] | std::byte{0x80} : i == 5 ? std::byte{1} : std::byte{0};
    }
  }
  if (message.size() > dns::kHeader + question.size()) {
    std::copy(question.begin(), question.end(), message.begin() + dns::kHeader);
  }
  if (dns::answers(message, 0, question)) {
    const size_t length = dns::adopt(message, query, question, dns::kPlainUdp);
    require(length <= message.size() && length <= std::max<size_t>(message.size(), dns::kPlainUdp), "a length");
    require(length <= dns::kPlainUdp, "an answer within its bound");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto names = test::few_services();
  static const std::array<dns::Zone, 2> zones = {test::dns_zone(false), test::dns_zone(true)};
  if (size == 0 || size > 4096) {
    return 0;
  }
  const uint8_t control = data[0];
  const auto input = std::as_bytes(std::span(data, size)).subspan(1);
  const bool forwards = (control & 1) != 0;
  const dns::Transport transport = (control & 2) != 0 ? dns::Transport::tcp : dns::Transport::udp;
  const size_t most = (control & 4) != 0 ? dns::kPlainUdp : dns::kMostUdp;
  std::vector<std::byte> buffer(std::max<size_t>(input.size(), dns::kMostUdp));
  std::copy(input.begin(), input.end(), buffer.begin());
  dns::Query query;
  const dns::Reply reply = dns::respond(
      buffer, input.size(), most, transport,
      {.zone = zones[forwards ? 1 : 0], .names = *names, .serial = 1, .turn = static_cast<uint32_t>(control >> 3)},
      query);
  switch (reply.fate) {
    case dns::Fate::answered: {
      const std::span<const std::byte> answer = std::span(buffer).first(reply.length);
      require(test::dns_text(answer) != "malformed", "an answer that can be read");
      require(reply.length <= most, "an answer within its bound");
      require(std::equal(answer.begin(), answer.begin() + 2, input.begin()), "the query's id");
      break;
    }
    case dns::Fate::forward:
      require(forwards, "nobody is asked who should not be");
      require(std::equal(input.begin(), input.end(), buffer.begin()), "a message left as it was");
      check_forwarded(input, query);
      break;
    case dns::Fate::ignored:
      break;
  }
  check_adopted(input);
  return 0;
}
