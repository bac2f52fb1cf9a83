# Which images there are to build, each once. `docker buildx bake` reads docker-compose.yml first: the names, tags and
# arguments are there.
#
#   docker buildx bake            the four images, for this machine
#   docker buildx bake release    for amd64 and arm64, pushed with provenance and a bill of materials

variable "SERVICES" {
  default = ["productpage", "details", "reviews", "ratings"]
}
variable "SOURCE" {
  default = ""
}
variable "REVISION" {
  default = ""
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
