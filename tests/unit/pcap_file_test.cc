// SPDX-License-Identifier: Apache-2.0
#include "ops/pcap_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <sys/stat.h>

#include <fstream>

namespace weft::ops {
namespace {

using ::testing::HasSubstr;

class PcapFileTest : public ::testing::Test {
 protected:
  PcapFileTest() {
    std::string pattern = testing::TempDir() + "weft-pcap-XXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~PcapFileTest() override { std::filesystem::remove_all(folder); }

  std::string error_of(const std::string& name) {
    const auto file = PcapFile::create(folder, name, 64);
    return file ? "no error" : file.error();
  }

  std::filesystem::path folder;
};

TEST_F(PcapFileTest, IsReadByLibpcapToTheNanosecond) {
  const std::array<std::byte, 3> bytes = {std::byte{1}, std::byte{2}, std::byte{3}};
  {
    auto file = PcapFile::create(folder / "new", "a.pcap", 64);
    ASSERT_TRUE(file) << file.error();
    file->write(WallClock::Moment(std::chrono::nanoseconds(1'234'567'890'123'456'789)), bytes, 60);
    EXPECT_EQ(file->flush(), "");
    EXPECT_EQ(file->bytes(), std::filesystem::file_size(file->path()));
  }
  struct stat status {};
  ASSERT_EQ(stat((folder / "new" / "a.pcap").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(stat((folder / "new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  pcap_t* reader = pcap_open_offline_with_tstamp_precision((folder / "new" / "a.pcap").c_str(),
                                                           PCAP_TSTAMP_PRECISION_NANO, error.data());
  ASSERT_NE(reader, nullptr) << error.data();
  EXPECT_EQ(pcap_datalink(reader), DLT_EN10MB);
  EXPECT_EQ(pcap_snapshot(reader), 64);
  pcap_pkthdr* head = nullptr;
  const u_char* data = nullptr;
  ASSERT_EQ(pcap_next_ex(reader, &head, &data), 1);
  EXPECT_EQ(head->ts.tv_sec, 1'234'567'890);
  EXPECT_EQ(head->ts.tv_usec, 123'456'789);
  EXPECT_EQ(head->caplen, 3U);
  EXPECT_EQ(head->len, 60U);
  EXPECT_EQ(data[2], 3);
  EXPECT_EQ(pcap_next_ex(reader, &head, &data), PCAP_ERROR_BREAK);
  pcap_close(reader);
}

TEST_F(PcapFileTest, WritesOverNothingAndFollowsNoLink) {
  std::ofstream(folder / "precious") << "text";
  EXPECT_EQ(error_of("precious"), "cannot create " + (folder / "precious").string() + ": File exists");
  std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
  EXPECT_THAT(error_of("link"), HasSubstr("link: File exists"));
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
  EXPECT_EQ(std::filesystem::file_size(folder / "precious"), 4U);
}

TEST_F(PcapFileTest, LeadsOutOfNoFolder) {
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "/etc/passwd", "../x", "a b", "a\n", "\xff"}) {
    EXPECT_THAT(error_of(name), HasSubstr("expected a file's name of letters")) << name;
  }
  EXPECT_THAT(error_of(std::string(101, 'a')), HasSubstr("expected a file's name"));
}

TEST_F(PcapFileTest, NamesAFolderThatIsNone) {
  std::ofstream(folder / "file") << "text";
  const auto file = PcapFile::create(folder / "file", "a", 64);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error(), "cannot create " + (folder / "file" / "a").string() + ": Not a directory");
}

}  // namespace
}  // namespace weft::ops
