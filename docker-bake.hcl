# Which images there are to build, each once. `docker buildx bake` reads docker-compose.yml first: the names, tags and
# arguments are there.
#
#   docker buildx bake            the four images, for this machine
#   docker buildx bake release    for amd64 and arm64, pushed with provenance and a bill of materials
#   docker buildx bake drop-in    the fifteen images of the original under its names, for manifests that were written for it

variable "SERVICES" {
  default = ["productpage", "details", "reviews", "ratings"]
}
variable "SOURCE" {
  default = ""
}
variable "REVISION" {
  default = ""
}

# For the names of the drop-in images; those of the four are in .env.
variable "IMAGE_PREFIX" {
  default = "bookinfo-ts"
}
# The tag of the original that existing manifests ask for.
variable "ORIGINAL_TAG" {
  default = "1.20.3"
}

group "default" {
  targets = [for service in SERVICES : "${service}-v1"]
}

target "release" {
  name      = "${service}-release"
  matrix    = { service = SERVICES }
  inherits  = ["${service}-v1"]
  platforms = ["linux/amd64", "linux/arm64"]
  attest    = ["type=provenance,mode=max", "type=sbom"]
  output    = ["type=registry,rewrite-timestamp=true"]
  labels = {
    "org.opencontainers.image.source"   = SOURCE
    "org.opencontainers.image.revision" = REVISION
  }
}

group "drop-in" {
  targets = ["original", "original-database"]
}

# Each is the image of its service with an environment: all layers are shared. What the original's manifests say themselves
# (where a database is, DO_NOT_ENCRYPT) is left to them.
target "original" {
  name = "original-${image.name}"
  matrix = {
    image = [
      { name = "productpage-v1", service = "productpage", env = {} },
      { name = "productpage-v-flooding", service = "productpage", env = { SERVICE_VERSION = "v-flooding", FLOOD_FACTOR = 100 } },
      { name = "details-v1", service = "details", env = {} },
      { name = "details-v2", service = "details", env = { SERVICE_VERSION = "v2", ENABLE_EXTERNAL_BOOK_SERVICE = true } },
      { name = "reviews-v1", service = "reviews", env = { ENABLE_RATINGS = false } },
      { name = "reviews-v2", service = "reviews", env = { SERVICE_VERSION = "v2", ENABLE_RATINGS = true, STAR_COLOR = "black" } },
      { name = "reviews-v3", service = "reviews", env = { SERVICE_VERSION = "v3", ENABLE_RATINGS = true, STAR_COLOR = "red" } },
      { name = "ratings-v1", service = "ratings", env = {} },
      { name = "ratings-v2", service = "ratings", env = { SERVICE_VERSION = "v2" } },
      { name = "ratings-v-faulty", service = "ratings", env = { SERVICE_VERSION = "v-faulty" } },
      { name = "ratings-v-delayed", service = "ratings", env = { SERVICE_VERSION = "v-delayed" } },
      { name = "ratings-v-unavailable", service = "ratings", env = { SERVICE_VERSION = "v-unavailable" } },
      { name = "ratings-v-unhealthy", service = "ratings", env = { SERVICE_VERSION = "v-unhealthy" } },
    ]
  }
  contexts          = { service = "target:${image.service}-v1" }
  dockerfile-inline = join("\n", concat(["FROM service"], [for name, value in image.env : "ENV ${name}=${value}"]))
  tags              = ["${IMAGE_PREFIX}/examples-bookinfo-${image.name}:${ORIGINAL_TAG}"]
}

# MySQL 8.0, as the original is built on: its manifest starts it with an option that neither MySQL 8.4 nor MariaDB knows.
target "original-database" {
  name = "original-${image.name}"
  matrix = {
    image = [
      { name = "mysqldb", base = "mysql:8.0", seed = "mysql/ratings.sql" },
      { name = "mongodb", base = "mongo:8.0", seed = "mongodb/ratings.js" },
    ]
  }
  context           = "services/ratings/seed"
  dockerfile-inline = "FROM ${image.base}\nCOPY ${image.seed} /docker-entrypoint-initdb.d/"
  tags              = ["${IMAGE_PREFIX}/examples-bookinfo-${image.name}:${ORIGINAL_TAG}"]
}
