// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "buffer/heap.h"

namespace weft::http {
namespace {

std::string text_of(std::span<buffer::Slice> slices) {
  std::string text;
  for (const buffer::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.data()), slice.size());
  }
  return text;
}

TEST(HeadWriter, WritesBehindHeadroom) {
  buffer::HeapBuffers buffers(2, 2048);
  {
    HeadWriter writer(buffers.pool());
    writer.write("HTTP/1.1 ");
    writer.write_number(200);
    writer.write("");
    writer.write(" OK\r\n");
    writer.write_field("content-length", "18446744073709551615");
    writer.write_number(18446744073709551615U);
    writer.write_number(0);
    const std::string expected = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n184467440737095516150";
    EXPECT_EQ(writer.size(), expected.size());
    ASSERT_EQ(writer.slices().size(), 1);
    EXPECT_EQ(text_of(writer.slices()), expected);
    EXPECT_GE(writer.slices()[0].headroom(), HeadWriter::kHeadroom);
  }
  EXPECT_TRUE(buffers.is_whole());
}

TEST(HeadWriter, CrossesBuffersAnywhere) {
  constexpr uint32_t kRoom = 50;
  for (size_t before = 0; before <= 2 * kRoom; ++before) {
    buffer::HeapBuffers buffers(HeadWriter::kMaxSlices, HeadWriter::kHeadroom + kRoom);
    HeadWriter writer(buffers.pool());
    const std::string value(77, 'v');
    writer.write(std::string(before, 'x'));
    writer.write_field("name", value);
    writer.write_number(1234567890);
    const std::string expected = std::string(before, 'x') + "name: " + value + "\r\n1234567890";
    EXPECT_EQ(writer.size(), expected.size());
    ASSERT_EQ(text_of(writer.slices()), expected);
    ASSERT_EQ(writer.slices().size(), (expected.size() + kRoom - 1) / kRoom) << "no buffer is left half full";
    for (const buffer::Slice& slice : writer.slices()) {
      ASSERT_EQ(slice.headroom(), HeadWriter::kHeadroom);
    }
    writer.clear();
    EXPECT_TRUE(buffers.is_whole());
  }
}

TEST(HeadWriter, GivesAllBackWhenThePoolRunsOut) {
  buffer::HeapBuffers buffers(3, HeadWriter::kHeadroom + 10);
  HeadWriter writer(buffers.pool());
  writer.write(std::string(30, 'x'));
  EXPECT_FALSE(writer.failed());
  EXPECT_EQ(buffers.pool().size(), 0);
  writer.write("y");
  EXPECT_TRUE(writer.failed());
  EXPECT_TRUE(buffers.is_whole());
  EXPECT_EQ(writer.size(), 0);
  EXPECT_TRUE(writer.slices().empty());
  writer.write("z");
  writer.write_field("a", "b");
  writer.write_number(1);
  EXPECT_TRUE(buffers.is_whole()) << "nothing is written until clear()";
  writer.clear();
  EXPECT_FALSE(writer.failed());
  writer.write("again");
  EXPECT_EQ(text_of(writer.slices()), "again");
}

TEST(HeadWriter, IsBoundedInSlices) {
  buffer::HeapBuffers buffers(HeadWriter::kMaxSlices + 1, HeadWriter::kHeadroom + 10);
  HeadWriter writer(buffers.pool());
  writer.write(std::string(10 * HeadWriter::kMaxSlices, 'x'));
  EXPECT_FALSE(writer.failed());
  writer.write("x");
  EXPECT_TRUE(writer.failed());
  EXPECT_TRUE(buffers.is_whole());
}

TEST(HeadWriter, KeepsNothingOfWhatIsMovedOut) {
  buffer::HeapBuffers buffers(4, HeadWriter::kHeadroom + 10);
  HeadWriter writer(buffers.pool());
  writer.write("first head, of two");
  std::vector<buffer::Slice> sent;
  for (buffer::Slice& slice : writer.slices()) {
    sent.push_back(std::move(slice));
  }
  writer.clear();
  writer.write("second");
  EXPECT_EQ(text_of(sent), "first head, of two");
  EXPECT_EQ(text_of(writer.slices()), "second");
  writer.clear();
  sent.clear();
  EXPECT_TRUE(buffers.is_whole());
}

}  // namespace
}  // namespace weft::http
