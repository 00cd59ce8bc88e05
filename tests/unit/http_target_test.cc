// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "http_bytes.h"

namespace weft::http {
namespace {

using test::Request;

struct Target {
  std::string line;  ///< method and target
  std::string host;  ///< the field's
  std::string path, query, view_host, authority;
  bool has_query = false;
};

class HttpTarget : public testing::TestWithParam<Target> {};

TEST_P(HttpTarget, IsTakenApart) {
  const Target& expected = GetParam();
  const Request request(expected.line + " HTTP/1.1\r\nHost: " + expected.host + "\r\n\r\n");
  ASSERT_EQ(request.defect, Defect::none) << expected.line;
  EXPECT_EQ(request.head->view.path, expected.path);
  EXPECT_EQ(request.head->view.query, expected.query);
  EXPECT_EQ(request.head->view.has_query, expected.has_query);
  EXPECT_EQ(request.head->view.host, expected.view_host);
  EXPECT_EQ(request.head->authority, expected.authority);
  EXPECT_EQ(request.head->target, expected.line.substr(expected.line.find(' ') + 1));
}

INSTANTIATE_TEST_SUITE_P(
    Of, HttpTarget,
    testing::Values(
        Target{"GET /", "a", "/", "", "a", "a"}, Target{"GET /?", "a", "/", "", "a", "a", true},
        Target{"GET /x?y?z", "a", "/x", "y?z", "a", "a", true}, Target{"GET //x", "a", "//x", "", "a", "a"},
        Target{"GET /%2e/[|\"<>\\^`{}~", "a", "/%2e/[|\"<>\\^`{}~", "", "a", "a"},
        Target{"GET http://b/x?y", "a", "/x", "y", "b", "b", true},
        Target{"GET HTTPS://B:444/x", "A", "/x", "", "b", "B:444"}, Target{"GET http://b", "a", "/", "", "b", "b"},
        Target{"GET http://b?q", "a", "/", "q", "b", "b", true}, Target{"OPTIONS http://b", "a", "*", "", "b", "b"},
        Target{"OPTIONS http://b?", "a", "/", "", "b", "b", true}, Target{"OPTIONS *", "a", "*", "", "a", "a"},
        Target{"OPTIONS /", "a", "/", "", "a", "a"}, Target{"CONNECT B:443", "a", "", "", "b", "B:443"},
        Target{"CONNECT [::1]:80", "a", "", "", "[::1]", "[::1]:80"},
        Target{"GET http://[2001:DB8::1]:81/", "a", "/", "", "[2001:db8::1]", "[2001:DB8::1]:81"}));

class HttpBadTarget : public testing::TestWithParam<std::string> {};

TEST_P(HttpBadTarget, IsRefused) {
  EXPECT_EQ(Request(GetParam() + " HTTP/1.1\r\nHost: a\r\n\r\n").defect, Defect::target);
}

INSTANTIATE_TEST_SUITE_P(Of, HttpBadTarget,
                         testing::Values("GET x", "GET *", "POST *", "OPTIONS **", "GET a:80", "GET /#f", "GET /x#",
                                         "GET /\xc3\xa4", "GET /\x80", "GET http:/x", "GET http:x", "GET http://",
                                         "GET http:///x", "GET http://u@b/", "GET http://u:p@b/", "GET ftp://b/",
                                         "GET ://b/", "GET xhttp://b/", "GET http://b:x/", "GET http://b:65536/",
                                         "GET http://[b]/", "GET http://[::1/", "GET http://b,c/", "CONNECT b",
                                         "CONNECT b:", "CONNECT b:0", "CONNECT /", "CONNECT http://b:80/", "CONNECT *",
                                         "CONNECT :80", "CONNECT u@b:80", "CONNECT b:80/", "CONNECT b:80:80", "GET ?x",
                                         "GET http://b%41/"));

struct Host {
  std::string lines;
  Defect defect;
  std::string view;
};

class HttpHost : public testing::TestWithParam<Host> {};

TEST_P(HttpHost, IsOneAndWellFormed) {
  const Request request("GET / HTTP/1.1\r\n" + GetParam().lines + "\r\n");
  EXPECT_EQ(request.defect, GetParam().defect) << GetParam().lines;
  if (request.defect == Defect::none) {
    EXPECT_EQ(request.head->view.host, GetParam().view);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, HttpHost,
    testing::Values(Host{"", Defect::host, ""}, Host{"Host:\r\n", Defect::host, ""},
                    Host{"Host: a\r\nHost: a\r\n", Defect::host, ""}, Host{"Host: a\r\nhost: b\r\n", Defect::host, ""},
                    Host{"Host: a b\r\n", Defect::host, ""}, Host{"Host: a, b\r\n", Defect::host, ""},
                    Host{"Host: a/b\r\n", Defect::host, ""}, Host{"Host: u@a\r\n", Defect::host, ""},
                    Host{"Host: a?\r\n", Defect::host, ""}, Host{"Host: a#\r\n", Defect::host, ""},
                    Host{"Host: a%\r\n", Defect::host, ""}, Host{"Host: \xe4\r\n", Defect::host, ""},
                    Host{"Host: :80\r\n", Defect::host, ""}, Host{"Host: a:b\r\n", Defect::host, ""},
                    Host{"Host: a:65536\r\n", Defect::host, ""}, Host{"Host: a:-1\r\n", Defect::host, ""},
                    Host{"Host: a:80:80\r\n", Defect::host, ""}, Host{"Host: ::1\r\n", Defect::host, ""},
                    Host{"Host: [::1\r\n", Defect::host, ""}, Host{"Host: [::1]x\r\n", Defect::host, ""},
                    Host{"Host: [::g]\r\n", Defect::host, ""}, Host{"Host: [::1%25e]\r\n", Defect::host, ""},
                    Host{"Host: []\r\n", Defect::host, ""},
                    Host{"Host: " + std::string(257, 'a') + "\r\n", Defect::host, ""},
                    Host{"Host: " + std::string(256, 'A') + "\r\n", Defect::none, std::string(256, 'a')},
                    Host{"Host: a:\r\n", Defect::none, "a"}, Host{"Host: a:65535\r\n", Defect::none, "a"},
                    Host{"Host: A-b_c.D~1.\r\n", Defect::none, "a-b_c.d~1"},
                    Host{"Host: a.b.:80\r\n", Defect::none, "a.b"}, Host{"Host: .\r\n", Defect::none, "."},
                    Host{"Host: 10.0.0.1:80\r\n", Defect::none, "10.0.0.1"},
                    Host{"Host: [2001:DB8::1]\r\n", Defect::none, "[2001:db8::1]"}));

TEST(HttpTarget, PointsIntoTheBytesUnlessAHostHasUpperCase) {
  const Request lower("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n");
  EXPECT_EQ(lower.head->view.host.data(), lower.head->authority.data());
  const Request upper("GET / HTTP/1.1\r\nHost: a.B\r\n\r\n");
  EXPECT_EQ(upper.head->view.host.data(), upper.head->host.data());
}

TEST(HttpTarget, OfHttp10NeedsNoHostButMayHaveOne) {
  EXPECT_EQ(Request("GET / HTTP/1.0\r\n\r\n").defect, Defect::none);
  EXPECT_EQ(Request("GET / HTTP/1.0\r\nHost: x\r\n\r\n").head->view.host, "x");
  EXPECT_EQ(Request("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n").defect, Defect::host);
  EXPECT_EQ(Request("GET / HTTP/1.0\r\nHost: x y\r\n\r\n").defect, Defect::host);
}

TEST(HttpTarget, DoesNotExcuseTheHost) {
  EXPECT_EQ(Request("GET http://b/ HTTP/1.1\r\n\r\n").defect, Defect::host);
  EXPECT_EQ(Request("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n").defect, Defect::host);
  EXPECT_EQ(Request("CONNECT b:1 HTTP/1.1\r\n\r\n").defect, Defect::host);
}

}  // namespace
}  // namespace weft::http
