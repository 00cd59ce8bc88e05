// SPDX-License-Identifier: Apache-2.0
/// @file The last good content of a registry as a file, for a start while the registry is away.
///
/// The file, all numbers little-endian:
///
///     8 bytes  "WEFTREG\n"
///     u32      kCacheVersion
///     u32      0
///     u64      length of the body
///     u64      XXH3 of the body, seed 0
///     body     u32 length and bytes of the source; i64 revision; i64 milliseconds since 1970; u64 number of documents;
///              each: u32 length of its key, u32 of its text, both; in the order of keys, no key twice; nothing after
///
/// Whatever else is there is refused with the reason, and never half read. The checksum is against accidents: who can
/// write the file can write any registry.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace weft::registry {

inline constexpr uint32_t kCacheVersion = 1;
inline constexpr size_t kMaxCacheBytes = size_t{2} << 30;
inline constexpr size_t kMaxCacheSource = 4096;
inline constexpr size_t kMaxCacheKey = 4096;
inline constexpr size_t kMaxCacheText = size_t{16} << 20;

/// Shared: a copy of the map costs no texts.
using CachedText = std::shared_ptr<const std::string>;

struct CacheContents {
  std::string source;                             ///< what the documents were read from, for people
  int64_t revision = 0;                           ///< of the source, if it has such
  std::chrono::system_clock::time_point saved{};  ///< to the millisecond
  std::map<std::string, CachedText> documents;    ///< accepted ones, by key
};

/// How long encode_cache() makes it.
size_t encoded_bytes(const CacheContents& contents);
/// What is too large is left out whole by whoever fills `contents`; here it is a broken precondition.
std::string encode_cache(const CacheContents& contents);
/// The error says what is wrong, without the file's name.
tl::expected<CacheContents, std::string> decode_cache(std::string_view bytes);

/// Puts the file there whole or not at all, even if the machine fails meanwhile. Makes its folder if there is none.
/// Precondition: kMaxCacheBytes at most.
tl::expected<void, std::string> write_cache(const std::filesystem::path& path, std::string_view bytes);
/// No value if there is no such file. One that is a link, another user's, or writable for others is refused.
tl::expected<std::optional<CacheContents>, std::string> read_cache(const std::filesystem::path& path);

}  // namespace weft::registry
