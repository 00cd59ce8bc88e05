// SPDX-License-Identifier: Apache-2.0
/// @file Queries as they are put to other name servers, and what these answer as it is told to clients.
///
/// A query is written anew: of the client's own, only the question goes on, in its spelling (so that its random case,
/// if it has any, comes back), whether recursion is wanted, and signatures are or what was found of them (RFC 6840,
/// section 5.7), and how much it takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dns/query.h"

namespace weft::dns {

/// What of a client's query is needed until it is answered: its question's bytes.
inline std::span<const std::byte> question_of(std::span<const std::byte> message, const Query& query) {
  return message.subspan(kHeader, query.question_end - kHeader);
}

/// @param to at least kMostForwarded bytes
/// @param size that an answer may have, which is said only for clients that say so too. @returns the length
constexpr size_t kMostForwarded = kHeader + kMaxName + 4 + kOptRecord;
size_t write_forwarded(const Query& query, std::span<const std::byte> question, uint16_t id, uint16_t size,
                       std::span<std::byte> to);

/// Is it the answer to the question that was asked under this id? Its name must be spelled as it was asked for: a
/// client that asks in random case means to know a forger by it.
bool answers(std::span<const std::byte> message, uint16_t id, std::span<const std::byte> question);

Rcode rcode_of(std::span<const std::byte> message);

/// Makes it the answer to the client's query. One that is too long becomes one that says so, and nothing else.
/// Precondition: answers(). @param most bytes; at least kPlainUdp. @returns the length
size_t adopt(std::span<std::byte> message, const Query& query, std::span<const std::byte> question, size_t most);

}  // namespace weft::dns
