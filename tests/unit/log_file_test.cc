// SPDX-License-Identifier: Apache-2.0
#include "ops/log_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace weft::ops {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// While it lives, no file grows beyond so many bytes: as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  sighandler_t handler_;
};

class LogFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "weft-log-XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ / "access.log";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::filesystem::path path_;
};

TEST_F(LogFiles, WhatIsNotWrittenIsSaidAndGluedToNothing) {
  const auto file = LogFile::open(path_);
  ASSERT_TRUE(file) << file.error();
  {
    const FullDisk full(10);
    EXPECT_EQ((*file)->write("one 1\ntwo 2\nthree\n"), 1U);
    EXPECT_NE((*file)->error().find("File too large"), std::string::npos) << (*file)->error();
    EXPECT_EQ((*file)->write("four\n"), 0U);
  }
  EXPECT_EQ((*file)->write("five\n"), 1U);
  EXPECT_EQ((*file)->error(), "");
  EXPECT_EQ((*file)->write("six\n"), 1U);
  EXPECT_EQ(text_of(path_), "one 1\ntwo \nfive\nsix\n");
}

TEST_F(LogFiles, ALineWhoseEndAloneIsMissingIsNotWritten) {
  const auto file = LogFile::open(path_);
  ASSERT_TRUE(file) << file.error();
  {
    const FullDisk full(5);
    EXPECT_EQ((*file)->write("one 1\n"), 0U);
  }
  {
    const FullDisk full(6);
    EXPECT_EQ((*file)->write("two\n"), 0U);
  }
  EXPECT_EQ((*file)->write("three\n"), 1U);
  EXPECT_EQ(text_of(path_), "one 1\nthree\n");
}

TEST_F(LogFiles, FollowsItsPath) {
  const auto file = LogFile::open(path_);
  ASSERT_TRUE(file) << file.error();
  (*file)->write("one\n");
  std::filesystem::rename(path_, folder_ / "old");
  (*file)->write("two\n");
  (*file)->follow_path();
  (*file)->write("three\n");
  EXPECT_EQ(text_of(folder_ / "old"), "one\ntwo\n");
  EXPECT_EQ(text_of(path_), "three\n");
  std::filesystem::resize_file(path_, 0);
  (*file)->follow_path();
  (*file)->write("four\n");
  EXPECT_EQ(text_of(path_), "four\n");
}

TEST_F(LogFiles, APathThatCannotBeFollowedIsAnError) {
  std::filesystem::create_directory(folder_ / "logs");
  const auto file = LogFile::open(folder_ / "logs/access.log");
  ASSERT_TRUE(file) << file.error();
  std::filesystem::rename(folder_ / "logs", folder_ / "moved");
  (*file)->follow_path();
  EXPECT_NE((*file)->error().find("No such file"), std::string::npos) << (*file)->error();
  EXPECT_EQ((*file)->write("one\n"), 1U);
  EXPECT_EQ(text_of(folder_ / "moved/access.log"), "one\n");
  EXPECT_NE((*file)->error(), "") << "it is still not where it should be";
  std::filesystem::remove(folder_ / "moved/access.log");
  (*file)->follow_path();
  EXPECT_EQ((*file)->write("two\n"), 0U) << "nobody could ever read it";
  std::filesystem::create_directory(folder_ / "logs");
  (*file)->follow_path();
  EXPECT_EQ((*file)->error(), "");
  EXPECT_EQ((*file)->write("three\n"), 1U);
  EXPECT_EQ(text_of(folder_ / "logs/access.log"), "three\n");
}

TEST_F(LogFiles, OnlyAPlainFileWillDo) {
  EXPECT_NE(LogFile::open(folder_).error().find("Is a directory"), std::string::npos);
  EXPECT_NE(LogFile::open("/dev/null").error().find("no plain file"), std::string::npos);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(LogFile::open(path_)) << "and it does not wait for a reader";
}

}  // namespace
}  // namespace weft::ops
