// SPDX-License-Identifier: Apache-2.0
/// @file Answers queries from the table of services: pure, over the query's own bytes, without an allocation.
///
/// Names and records are those of Kubernetes' DNS-Based Service Discovery, schema 1.1.0; docs/registry.md lists them.
/// Negative answers carry the SOA record (RFC 2308), and what others' names begin with exists (RFC 8020): a namespace
/// with services, `_tcp.<service>`. An answer that does not fit says so, and tells what fits (RFC 2181, section 9).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "dns/query.h"
#include "dns/wire.h"
#include "dns/zone.h"
#include "lb/name_table.h"

namespace weft::dns {

enum class Transport : uint8_t { udp, tcp };

/// What answers are made of.
struct Source {
  const Zone& zone;
  const lb::NameTable& names;
  lb::Address client;   ///< who asks
  uint32_t serial = 0;  ///< of the SOA record
  uint32_t turn = 0;    ///< one more each query: decides with which of several records to begin
};

enum class Fate : uint8_t {
  answered,
  forward,  ///< others are to be asked; the message is as it was
  ignored,  ///< no answer
};

struct Reply {
  Fate fate = Fate::ignored;
  Rcode rcode = Rcode::no_error;
  bool truncated = false;  ///< and says so
  bool cut = false;        ///< records were left out, for want of room; over TCP no message says so
  uint16_t length = 0;     ///< of the answer
};

/// @param buffer begins with the query; the answer is written over it. At least kPlainUdp bytes
/// @param length of the query
/// @param most that may be sent; an answer over UDP is bounded by what the client takes, too
/// @param query written; if it is to be forwarded, it is what was asked
Reply respond(std::span<std::byte> buffer, size_t length, size_t most, Transport transport, const Source& source,
              Query& query);

/// The answer that is nothing but its code. @param buffer begins with the query, as above. @returns its length
uint16_t respond_with(Rcode rcode, std::span<std::byte> buffer, const Query& query, bool forwards);

/// What became of queries, one worker's.
struct Counters {
  std::array<uint64_t, 2> queries = {};        ///< by Transport
  std::array<uint64_t, kRcodes> answers = {};  ///< of weft's own, by Rcode
  uint64_t truncated = 0;
  uint64_t ignored = 0;          ///< got no answer: no query, or shorter than a header
  uint64_t forwarded = 0;        ///< others are asked
  uint64_t backlogged = 0;       ///< could not be, as too many were waiting: answered SERVFAIL
  uint64_t relayed = 0;          ///< others' answers, or SERVFAIL for want of one, that went to clients
  uint64_t unsent = 0;           ///< of those, that had no buffer or no way to go
  uint64_t clients = 0;          ///< connections over TCP, now
  uint64_t refused_clients = 0;  ///< reset, as there were so many
  uint64_t timed_out = 0;        ///< of those, closed because nothing came

  Counters& operator+=(const Counters& other) {
    const auto add = [](auto& to, const auto& from) {
      std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<>());
    };
    add(queries, other.queries);
    add(answers, other.answers);
    for (uint64_t Counters::*each :
         {&Counters::truncated, &Counters::ignored, &Counters::forwarded, &Counters::backlogged, &Counters::relayed,
          &Counters::unsent, &Counters::clients, &Counters::refused_clients, &Counters::timed_out}) {
      this->*each += other.*each;
    }
    return *this;
  }
  void count(Transport transport, const Reply& reply) {
    ++queries[static_cast<size_t>(transport)];
    answers[static_cast<size_t>(reply.rcode)] += reply.fate == Fate::answered ? 1 : 0;
    truncated += reply.truncated ? 1 : 0;
    ignored += reply.fate == Fate::ignored ? 1 : 0;
  }
};

}  // namespace weft::dns
