// SPDX-License-Identifier: Apache-2.0
#include "ops/pcap_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

constexpr size_t kLongestName = 100;
constexpr uint32_t kRecordHead = 16;  // bytes before each packet in the file

bool is_good_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name[0] != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}

/// A descriptor of the new file, or -1 and errno.
int create_in(const std::filesystem::path& folder, const std::string& name) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  const int directory = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) {
    return -1;
  }
  const int file = openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  const int reason = errno;
  close(directory);
  errno = reason;
  return file;
}

FILE* stream_of(void* dumper) {
  return pcap_dump_file(static_cast<pcap_dumper_t*>(dumper));
}

}  // namespace

tl::expected<PcapFile, std::string> PcapFile::create(const std::filesystem::path& folder, const std::string& name,
                                                     uint32_t snap_bytes) {
  if (!is_good_name(name)) {
    return tl::unexpected(
        fmt::format("expected a file's name of letters, digits, '.', '_' and '-' (it goes into {}), got {}",
                    folder.string(), registry::in_quotes(name)));
  }
  const std::filesystem::path path = folder / name;
  const int file = create_in(folder, name);
  FILE* stream = file < 0 ? nullptr : fdopen(file, "wb");
  if (stream == nullptr) {
    const std::string reason = std::strerror(errno);
    close(file);
    return tl::unexpected(fmt::format("cannot create {}: {}", path.string(), reason));
  }
  pcap_t* format =
      pcap_open_dead_with_tstamp_precision(DLT_EN10MB, static_cast<int>(snap_bytes), PCAP_TSTAMP_PRECISION_NANO);
  pcap_dumper_t* dumper = format == nullptr ? nullptr : pcap_dump_fopen(format, stream);
  if (format == nullptr) {
    std::fclose(stream);
    return tl::unexpected(fmt::format("cannot write {}: no memory", path.string()));
  }
  const std::string reason = pcap_geterr(format);
  pcap_close(format);       // the dumper keeps nothing of it
  if (dumper == nullptr) {  // and the stream is closed
    return tl::unexpected(fmt::format("cannot write {}: {}", path.string(), reason));
  }
  return PcapFile(path, dumper);
}

void PcapFile::Close::operator()(void* dumper) const {
  pcap_dump_close(static_cast<pcap_dumper_t*>(dumper));
}

void PcapFile::write(WallClock::Moment time, std::span<const std::byte> bytes, uint32_t length) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const pcap_pkthdr head{.ts = {.tv_sec = seconds.time_since_epoch().count(),
                                .tv_usec = std::chrono::nanoseconds(time - seconds).count()},  // nanoseconds here
                         .caplen = static_cast<uint32_t>(bytes.size()),
                         .len = length};
  pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &head, reinterpret_cast<const u_char*>(bytes.data()));
  bytes_ += kRecordHead + bytes.size();
}

std::string PcapFile::flush() {
  const bool failed = pcap_dump_flush(static_cast<pcap_dumper_t*>(dumper_.get())) != 0;
  if (failed || std::ferror(stream_of(dumper_.get())) != 0) {
    return fmt::format("cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  return "";
}

}  // namespace weft::ops
