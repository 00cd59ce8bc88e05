// SPDX-License-Identifier: Apache-2.0
#include "http/chunked.h"

#include <gtest/gtest.h>

#include <random>

#include "http_bytes.h"

namespace weft::http {
namespace {

using test::Exact;
using Kind = ChunkedReader::Part::Kind;

/// What a reader made of a stream: each byte's kind ("f" framing, "d" data, "e" the end's last byte), and the defect.
struct Reading {
  std::string kinds;
  std::string data;
  Defect defect = Defect::none;
  bool ended = false;
  friend bool operator==(const Reading&, const Reading&) = default;
};

/// @param cuts in order
Reading read(std::string_view stream, const std::vector<size_t>& cuts) {
  Reading reading;
  ChunkedReader reader;
  size_t from = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t to = i < cuts.size() ? cuts[i] : stream.size();
    const Exact segment(stream.substr(from, to - from));
    for (std::string_view left = segment.view(); !left.empty();) {
      const ChunkedReader::Part part = reader.next(left);
      EXPECT_LE(part.bytes, left.size());
      EXPECT_TRUE(part.bytes > 0 || part.kind == Kind::defect);
      reading.kinds += std::string(part.bytes, part.kind == Kind::data ? 'd' : 'f');
      if (part.kind == Kind::data) {
        reading.data += left.substr(0, part.bytes);
      }
      if (part.kind == Kind::defect) {
        reading.defect = reader.defect();
        return reading;
      }
      if (part.kind == Kind::end) {
        reading.ended = true;
        return reading;
      }
      left.remove_prefix(part.bytes);
    }
    from = to;
  }
  return reading;
}

Reading read(std::string_view stream) {
  return read(stream, {});
}

const std::string kStreams[] = {
    "0\r\n\r\nnext",
    "5\r\nhello\r\n0\r\n\r\nGET /",
    "1\r\na\r\n2\r\nbc\r\n00\r\n\r\n",
    "a;x;q=\"a;b\r\n\"\r\n",
    "3;x;q=\"a;b\";y=z\r\n\r\n\r\r\n0;e\r\nX: y\r\nz:\t \xe4 \r\n\r\nmore",
    "000A\r\n0123456789\r\n0\r\nTrailer-Name: value\r\nContent-Length: 5\r\n\r\n",
    "5\r\nhelloX\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n folded\r\n\r\n",
    "2\nab\r\n",
    "2\r\nab\n",
};

TEST(Chunked, IsTheSameHoweverItIsCut) {
  for (const std::string& stream : kStreams) {
    const Reading whole = read(stream);
    for (size_t first = 0; first <= stream.size(); ++first) {
      for (size_t second = first; second <= stream.size(); ++second) {
        ASSERT_EQ(read(stream, {first, second}), whole) << stream << " cut at " << first << " and " << second;
      }
    }
    std::vector<size_t> everywhere(stream.size());
    for (size_t i = 0; i < stream.size(); ++i) {
      everywhere[i] = i;
    }
    EXPECT_EQ(read(stream, everywhere), whole) << stream;
  }
}

TEST(Chunked, SeparatesDataFromWhatFramesIt) {
  const Reading reading = read("3;x=\";a\"\r\n\r\n\r\r\nB\r\nhello world\r\n0\r\nX: y\r\n\r\nGET");
  EXPECT_TRUE(reading.ended);
  EXPECT_EQ(reading.data, "\r\n\rhello world");
  EXPECT_EQ(reading.kinds, std::string(10, 'f') + "ddd" + std::string(5, 'f') + std::string(11, 'd') +
                               std::string(2 + 3 + 6 + 2, 'f'));
}

TEST(Chunked, GivesAllDataThatThereIsInOnePart) {
  ChunkedReader reader;
  EXPECT_EQ(reader.next("ffff\r\n").bytes, 6);
  EXPECT_EQ(reader.next(std::string(1000, 'x')).bytes, 1000);
  const auto part = reader.next(std::string(70000, 'x'));
  EXPECT_EQ(part.bytes, 64535);
  EXPECT_EQ(part.kind, Kind::data);
}

struct RefusedStream {
  std::string stream;
  Defect defect;
  size_t at;  ///< the first byte that is wrong
};

class ChunkedRefusal : public testing::TestWithParam<RefusedStream> {};

TEST_P(ChunkedRefusal, NamesItsDefectAtTheFirstWrongByte) {
  const Reading reading = read(GetParam().stream);
  EXPECT_EQ(reading.defect, GetParam().defect) << testing::PrintToString(GetParam().stream);
  EXPECT_EQ(reading.kinds.size(), GetParam().at) << testing::PrintToString(GetParam().stream);
}

INSTANTIATE_TEST_SUITE_P(
    Size, ChunkedRefusal,
    testing::Values(RefusedStream{"\r\n", Defect::chunk_size, 0}, RefusedStream{"x\r\n", Defect::chunk_size, 0},
                    RefusedStream{"0x5\r\n", Defect::chunk_size, 1}, RefusedStream{"+5\r\n", Defect::chunk_size, 0},
                    RefusedStream{"-1\r\n", Defect::chunk_size, 0}, RefusedStream{" 5\r\n", Defect::chunk_size, 0},
                    RefusedStream{"5 \r\n", Defect::chunk_size, 1}, RefusedStream{"5\t\r\n", Defect::chunk_size, 1},
                    RefusedStream{"5 ;x\r\n", Defect::chunk_size, 1}, RefusedStream{"5,5\r\n", Defect::chunk_size, 1},
                    RefusedStream{"00000000000000005\r\n", Defect::chunk_size, 16},
                    RefusedStream{"4000000000000001\r\n", Defect::chunk_size, 15},
                    RefusedStream{"10000000000000000\r\n", Defect::chunk_size, 16},
                    RefusedStream{"ffffffffffffffff\r\n", Defect::chunk_size, 15},
                    RefusedStream{"5\n", Defect::line_end, 1}, RefusedStream{"5\rx", Defect::line_end, 2},
                    RefusedStream{"5\r\r\n", Defect::line_end, 2}, RefusedStream{"\n", Defect::chunk_size, 0}));

INSTANTIATE_TEST_SUITE_P(
    Extensions, ChunkedRefusal,
    testing::Values(
        RefusedStream{"5;\r\n", Defect::chunk_extension, 2}, RefusedStream{"5;;x\r\n", Defect::chunk_extension, 2},
        RefusedStream{"5; x\r\n", Defect::chunk_extension, 2}, RefusedStream{"5;x =y\r\n", Defect::chunk_extension, 3},
        RefusedStream{"5;x= y\r\n", Defect::chunk_extension, 4}, RefusedStream{"5;x=\r\n", Defect::chunk_extension, 4},
        RefusedStream{"5;x=y z\r\n", Defect::chunk_extension, 5}, RefusedStream{"5;=y\r\n", Defect::chunk_extension, 2},
        RefusedStream{"5;x=y=z\r\n", Defect::chunk_extension, 5},
        RefusedStream{"5;x=y;z\r\n", Defect::chunk_extension, 5},
        RefusedStream{"5;x=\"y\r\n", Defect::chunk_extension, 6},
        RefusedStream{"5;x=\"y\"z\r\n", Defect::chunk_extension, 7},
        RefusedStream{"5;x=\"\\\"\"", Defect::chunk_extension, 5},
        RefusedStream{"5;x=\"\x7f\"", Defect::chunk_extension, 5}, RefusedStream{"5;x\n", Defect::line_end, 3},
        RefusedStream{"5;x=y\n", Defect::line_end, 5}, RefusedStream{"5;x=\"\n", Defect::chunk_extension, 5},
        RefusedStream{"5;x\rx\n", Defect::line_end, 4},
        RefusedStream{"5;" + std::string(254, 'x') + "\r\n", Defect::chunk_extension, 255}));

INSTANTIATE_TEST_SUITE_P(End, ChunkedRefusal,
                         testing::Values(RefusedStream{"1\r\nab\r\n", Defect::chunk_end, 4},
                                         RefusedStream{"1\r\na\n0\r\n", Defect::chunk_end, 4},
                                         RefusedStream{"1\r\na\r0", Defect::chunk_end, 5},
                                         RefusedStream{"1\r\na0\r\n", Defect::chunk_end, 4}));

INSTANTIATE_TEST_SUITE_P(
    Trailers, ChunkedRefusal,
    testing::Values(
        RefusedStream{"0\r\n: x\r\n", Defect::trailer, 3}, RefusedStream{"0\r\n x\r\n", Defect::trailer, 3},
        RefusedStream{"0\r\nX\r\n", Defect::trailer, 4}, RefusedStream{"0\r\nX : y\r\n", Defect::trailer, 4},
        RefusedStream{"0\r\nX: y\r\n z\r\n", Defect::trailer, 9}, RefusedStream{"0\r\nX: \x01\r\n", Defect::trailer, 6},
        RefusedStream{"0\r\nX: y\n", Defect::line_end, 7}, RefusedStream{"0\r\nX: y\rz", Defect::line_end, 8},
        RefusedStream{"0\r\n\n", Defect::line_end, 3}, RefusedStream{"0\r\n\rx", Defect::line_end, 4},
        RefusedStream{"0\r\nContent-Length: 5\r\n", Defect::trailer, 17},
        RefusedStream{"0\r\nX: y\r\ntransfer-encoding: chunked\r\n", Defect::trailer, 26},
        RefusedStream{"0\r\nHOST: a\r\n", Defect::trailer, 7},
        RefusedStream{"0\r\nSet-Cookie: a\r\n", Defect::trailer, 13},
        RefusedStream{"0\r\nX: " + std::string(9000, 'x'), Defect::trailer, 3 + 8192}));

TEST(Chunked, TakesWhatIsJustWithinItsBounds) {
  EXPECT_EQ(read("4000000000000000\r\nx").data, "x");
  EXPECT_EQ(read("0000000000000001\r\nx").data, "x");
  EXPECT_EQ(read("1;" + std::string(252, 'x') + "\r\nx").data, "x");
  EXPECT_TRUE(read("0\r\nHosts: a\r\nContent-Lengt: 1\r\nGrpc-Status: 0\r\n\r\n").ended);
}

TEST(Chunked, BoundsWhatExtensionsCostButNotSmallChunks) {
  std::string plain;
  std::string extended;
  for (int i = 0; i < 100000; ++i) {
    plain += "1\r\nx\r\n";
    extended += "1;" + std::string(100, 'e') + "\r\nx\r\n";
  }
  EXPECT_TRUE(read(plain + "0\r\n\r\n").ended);
  const Reading reading = read(extended + "0\r\n\r\n");
  EXPECT_EQ(reading.defect, Defect::chunk_extension);
  EXPECT_LT(reading.kinds.size(), 25000);
  // Data pays for its framing.
  std::string large;
  for (int i = 0; i < 1000; ++i) {
    large += "40;" + std::string(100, 'e') + "\r\n" + std::string(64, 'x') + "\r\n";
  }
  EXPECT_TRUE(read(large + "0\r\n\r\n").ended);
}

TEST(Chunked, IsTheSameHoweverRandomStreamsAreCut) {
  std::mt19937 random(11);
  size_t ended = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string stream;
    for (size_t chunks = random() % 5; chunks > 0; --chunks) {
      const size_t size = 1 + random() % 30;
      char digits[8];
      std::snprintf(digits, sizeof(digits), "%zx", size);
      stream += digits + std::string(random() % 3 == 0 ? ";a=\"b\"" : "") + "\r\n" + std::string(size, 'x') + "\r\n";
    }
    stream += std::string("0\r\n") + (random() % 2 == 0 ? "T: v\r\n" : "") + "\r\n";
    if (random() % 2 == 0) {
      stream[random() % stream.size()] = "\r\n;:0 x"[random() % 7];
    }
    std::vector<size_t> cuts;
    for (size_t at = random() % 9; at < stream.size(); at += 1 + random() % 9) {
      cuts.push_back(at);
    }
    const Reading whole = read(stream);
    ended += whole.ended ? 1 : 0;
    ASSERT_EQ(read(stream, cuts), whole) << testing::PrintToString(stream);
  }
  EXPECT_GT(ended, 1000);
  EXPECT_LT(ended, 2900);
}

}  // namespace
}  // namespace weft::http
